#include "ps/shard_store.h"

#include <algorithm>
#include <utility>

#include "base/byte_count.h"

namespace sherd {
namespace {

void DescribeTable(const EmbeddingTable& table, proto::TableStatus* status) {
  const EmbeddingTable::Memory memory = table.memory();
  const EmbeddingTable::Counters& counters = table.counters();
  status->set_rows(table.rows());
  status->set_bytes(memory.total());
  status->set_key_bytes(memory.keys);
  status->set_index_bytes(memory.index);
  status->set_weight_bytes(memory.weights);
  status->set_state_bytes(memory.state);
  status->set_slack_bytes(memory.slack);
  status->set_spilled_rows(table.spilled_rows());
  status->set_spilled_bytes(table.spilled_bytes());
  status->set_evicted_rows(counters.evicted_rows);
  status->set_candidates(table.candidates());
  status->set_dropped_updates(counters.dropped_updates);
  status->set_refused_rows(counters.refused_rows);
  if (counters.refused_rows > 0) status->set_refused_key(counters.refused_key);
}

}  // namespace

Result<std::unique_ptr<ShardStore>> ShardStore::Make(const proto::ModelSpec& model, std::uint64_t seed,
                                                     std::uint32_t shard, std::uint32_t shards, StoreOptions options) {
  CHECK(shard < shards && shards <= kSlots) << "shard " << shard << " of " << shards;
  ASSIGN_OR_RETURN(DenseBlocks dense, DenseBlocks::Make(model, seed, shard, shards));
  std::unique_ptr<ShardStore> store(new ShardStore(model, seed, shard, shards, std::move(dense), std::move(options)));
  for (const proto::TableSpec& spec : model.table()) {
    ASSIGN_OR_RETURN(RowLayout layout, RowLayout::Make(spec));
    store->tables_.push_back(nullptr);
    store->AddTable(store->tables_.size() - 1, std::move(layout));
  }
  return store;
}

ShardStore::ShardStore(proto::ModelSpec model, std::uint64_t seed, std::uint32_t shard, std::uint32_t shards,
                       DenseBlocks dense, StoreOptions options)
    : model_(std::move(model)),
      seed_(seed),
      shard_(shard),
      shards_(shards),
      first_slot_(FirstSlot(shard, shards)),
      end_slot_(FirstSlot(shard + 1, shards)),
      dense_(std::move(dense)),
      options_(std::move(options)) {}

void ShardStore::AddTable(std::size_t i, RowLayout layout) {
  const std::uint64_t stream = TableStream(seed_, model_.table(static_cast<int>(i)).name());
  tables_[i] = std::make_unique<EmbeddingTable>(std::move(layout), stream, first_slot_, end_slot_, options_.spill_dir);
}

void ShardStore::DealBudget() {
  if (options_.memory_budget == 0) return;
  const std::uint64_t all = bytes();
  for (const auto& table : tables_) {
    const std::uint64_t others = all - table->bytes();
    // Never 0, which would be no limit at all.
    table->set_budget(others < options_.memory_budget ? options_.memory_budget - others : 1);
  }
}

void ShardStore::Advance(std::uint64_t clock, std::uint32_t seconds) {
  for (const auto& table : tables_) {
    const Status status = table->Advance(clock, seconds);
    LOG_IF(WARNING, !status.ok()) << "rows that are too old stay: " << status.text();
  }
}

void ShardStore::Clear() {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    RowLayout layout = tables_[i]->layout();
    tables_[i] = nullptr;  // its memory first, then the new one's
    AddTable(i, std::move(layout));
  }
  dense_ = DenseBlocks::Make(model_, seed_, shard_, shards_).value();  // it could be made before
}

std::uint64_t ShardStore::bytes() const {
  std::uint64_t bytes = dense_.bytes();
  for (const auto& table : tables_) bytes += table->bytes();
  return bytes;
}

std::string ShardStore::DescribeMemory() const {
  proto::ShardStatus status;
  Describe(&status);
  std::string text;
  for (int i = 0; i < status.table_size(); ++i) {
    const bool dense = i >= model_.table_size();
    text.append(text.empty() ? "" : ", ").append(dense ? "" : "table ").append(status.table(i).name()).append(" ");
    text += BytesText(status.table(i).bytes());
  }
  return text;
}

void ShardStore::Describe(proto::ShardStatus* status) const {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    proto::TableStatus* table = status->add_table();
    table->set_name(model_.table(static_cast<int>(i)).name());
    DescribeTable(*tables_[i], table);
  }
  if (dense_.blocks().empty()) return;
  proto::TableStatus* table = status->add_table();
  table->set_name("dense");
  table->set_rows(dense_.blocks().size());
  table->set_bytes(dense_.bytes());  // with the optimizer's state, as the budget counts them
  table->set_refused_rows(dense_.refused());
}

}  // namespace sherd
