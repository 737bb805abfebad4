// What a table gives to checkpoints while it goes on changing, against copies of all that it held at the moment.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/ps/shard_cluster.h"
#include "tests/ps/table_operations.h"

namespace sherd {
namespace {

using proto::RowStorage;

// Rows as bytes and candidates as sightings, by key.
struct Held {
  std::map<Key, std::vector<std::byte>> rows;
  std::map<Key, std::uint32_t> candidates;
  bool operator==(const Held&) const = default;
};

Held Now(EmbeddingTable* table) {
  Held held;
  EmbeddingTable::SlotContents contents;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    CHECK(table->ReadSlot(slot, &contents).ok());
    for (const auto& [key, row] : contents.rows) held.rows[key].assign(row, row + table->layout().row_bytes());
    for (const auto& [key, sightings] : contents.candidates) held.candidates[key] = sightings;
  }
  return held;
}

// What a reader of the file does with a slot. Returns how many keys it names.
std::size_t Apply(const EmbeddingTable& table, const EmbeddingTable::CutSlot& slot, Held* held) {
  std::uint64_t last = 0;
  const std::size_t bytes = table.layout().row_bytes();
  std::vector<std::byte> rows(slot.rows.size() * bytes);
  table.CopyRows(slot.rows, rows.data());
  for (std::size_t i = 0; i < slot.rows.size(); ++i) {
    const Key key = slot.rows[i].key;
    EXPECT_TRUE(Mix(key) > last || i == 0) << "not in order";
    last = Mix(key);
    const std::byte* const row = &rows[i * bytes];
    held->rows[key].assign(row, row + bytes);
    held->candidates.erase(key);
  }
  for (const auto& [key, sightings] : slot.candidates) {
    held->candidates[key] = sightings;
    held->rows.erase(key);
  }
  for (const Key key : slot.deleted) {
    held->rows.erase(key);
    held->candidates.erase(key);
  }
  return slot.rows.size() + slot.candidates.size() + slot.deleted.size();
}

class TableCutTest : public testing::Test {
 protected:
  // Cuts of which each third is full and the others what has changed, with random operations before and while they are
  // read: what was read first, with all the others put upon it, must be what the table held at the last cut.
  void ExpectCutsHold(const RowStorage& storage, std::uint64_t budget = 0, std::size_t universe = 20000) {
    TemporaryFolder folder;
    TableOperations operations(4, storage, universe, TableOperations::kAllSlots, [this] { return random_(); });
    ShardTables tables(operations.layout(), 1, budget, folder.path());
    ShardTables* const all[] = {&tables};
    EmbeddingTable& table = tables.first();
    const auto step = [&] {
      const Status status = operations.Step(all);
      ASSERT_TRUE(status.ok()) << status.text();
    };
    for (int i = 0; i < 200; ++i) step();
    Held read;
    EmbeddingTable::CutSlot slot;
    for (int cut = 0; cut < 9; ++cut) {
      const bool delta = cut % 3 != 0;
      for (int i = 0; i < 20; ++i) step();
      const Held expected = Now(&table);
      ASSERT_EQ(table.can_delta(), cut > 0);
      table.BeginCut(delta, /*track=*/true);
      if (!delta) read = {};
      for (Slot s = 0; s < kSlots; ++s) {
        if (random_() % 40 == 0) step();
        const Status status = table.ReadCut(s, &slot);
        ASSERT_TRUE(status.ok()) << status.text();
        Apply(table, slot, &read);
        table.EndSlot(s);
      }
      EXPECT_EQ(table.saved_bytes(), 0u);
      table.EndCut();
      ASSERT_EQ(read.rows.size(), expected.rows.size()) << "cut " << cut;
      ASSERT_TRUE(read == expected) << "cut " << cut;
    }
    const Status same = operations.Compare(&tables);
    EXPECT_TRUE(same.ok()) << same.text();
  }

  std::mt19937_64 random_{17};
};

TEST_F(TableCutTest, PlainRows) { ExpectCutsHold({}); }

TEST_F(TableCutTest, CandidatesThatGetRows) {
  RowStorage storage;
  storage.set_admit_after(3);
  ExpectCutsHold(storage);
}

TEST_F(TableCutTest, RowsThatAreTooOldGo) {
  RowStorage storage;
  storage.set_max_age_clocks(24);
  ExpectCutsHold(storage);
}

TEST_F(TableCutTest, TheLeastUsedRowsOfAFullSlotGo) {
  RowStorage storage;
  storage.set_max_rows(4 * kSlots);
  storage.set_use(RowStorage::FREQUENT);
  ExpectCutsHold(storage, 0, 40000);
}

TEST_F(TableCutTest, RowsAndCandidatesGoAtTheBudget) {
  RowStorage storage;
  storage.set_at_budget(RowStorage::EVICT);
  storage.set_admit_after(2);
  ExpectCutsHold(storage, 400000);
}

TEST_F(TableCutTest, RowsGoToDiskAndComeBack) {
  RowStorage storage;
  storage.set_at_budget(RowStorage::SPILL);
  ExpectCutsHold(storage, 400000);
}

TEST_F(TableCutTest, RowsOnDiskThatAreTooOldGo) {
  RowStorage storage;
  storage.set_at_budget(RowStorage::SPILL);
  storage.set_max_age_clocks(60);
  storage.set_use(RowStorage::FREQUENT);
  ExpectCutsHold(storage, 300000);
}

TEST_F(TableCutTest, ADeltaHoldsWhatHasChangedAndNoMore) {
  const RowLayout layout = TableModel::LayoutOf(4, {});
  EmbeddingTable table(layout, 1, 0, kSlots);
  std::vector<Key> keys(300000);
  for (Key i = 0; i < keys.size(); ++i) keys[i] = i;
  const std::vector<float> sums(keys.size() * layout.weight_floats(), 0.5f);
  const auto push = [&](std::size_t first, std::size_t count) {
    ASSERT_TRUE(table.Push(std::span(keys).subspan(first, count), sums.data(), {}).ok());
  };
  const auto count = [&](bool delta) {
    Held read;
    EmbeddingTable::CutSlot slot;
    std::size_t named = 0;
    table.BeginCut(delta, true);
    for (Slot s = 0; s < kSlots; ++s) {
      CHECK(table.ReadCut(s, &slot).ok());
      named += Apply(table, slot, &read);
      table.EndSlot(s);
    }
    table.EndCut();
    return named;
  };
  push(0, keys.size());
  EXPECT_FALSE(table.can_delta()) << "nothing was tracked";
  EXPECT_EQ(count(false), keys.size());
  EXPECT_EQ(count(true), 0u);
  push(0, 1000);
  push(500, 1000);
  EXPECT_EQ(count(true), 1500u);
  EXPECT_EQ(count(true), 0u);
  push(0, 200000);
  EXPECT_FALSE(table.can_delta()) << "two thirds have changed: as well all of it";
  EXPECT_EQ(count(false), keys.size());
  EXPECT_TRUE(table.can_delta());
}

}  // namespace
}  // namespace sherd
