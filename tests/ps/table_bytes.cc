#include "tests/ps/table_bytes.h"

#include <array>

#include "tests/ps/shard_cluster.h"
#include "tests/ps/table_operations.h"

namespace sherd {
namespace {

using proto::RowStorage;

constexpr std::uint32_t kSparse = 256;  // so that slots fill
constexpr std::size_t kUniverse = 600;

}  // namespace

Status RunTableBytes(std::span<const std::uint8_t> bytes) {
  const auto draw = [&bytes]() -> std::uint64_t {
    std::uint64_t value = 0;
    for (int i = 0; i < 2 && !bytes.empty(); ++i, bytes = bytes.subspan(1)) value = value << 8 | bytes.front();
    return value;
  };
  const auto one_of = [&](std::array<std::uint64_t, 4> values) { return values[draw() % 4]; };

  RowStorage storage;
  storage.set_at_budget(std::array{RowStorage::STOP, RowStorage::EVICT, RowStorage::SPILL}[draw() % 3]);
  storage.set_use(draw() % 2 == 0 ? RowStorage::RECENT : RowStorage::FREQUENT);
  storage.set_admit_after(static_cast<std::uint32_t>(1 + draw() % 3));
  storage.set_max_age_clocks(one_of({0, 1, 24, 64}));
  storage.set_max_age_seconds(static_cast<std::uint32_t>(one_of({0, 3, 40, 90})));
  storage.set_max_rows(one_of({0, 0, 10 * kSlots, 20 * kSlots}));
  storage.set_max_bytes(one_of({0, 0, 1, 1000 * kSlots}));
  const auto dim = static_cast<std::uint32_t>(one_of({1, 4, 15, 60}));
  const auto shards = static_cast<std::uint32_t>(storage.at_budget() == RowStorage::EVICT ? 1 : 1 + draw() % 3);
  const std::uint64_t budget = draw();

  TemporaryFolder folder;
  TableOperations operations(dim, storage, kUniverse, kSparse, draw);
  ShardTables tables(operations.layout(), shards, budget, folder.path());
  ShardTables* const all[] = {&tables};
  while (!bytes.empty()) RETURN_IF_ERROR(operations.Step(all));
  return operations.Compare(&tables);
}

}  // namespace sherd
