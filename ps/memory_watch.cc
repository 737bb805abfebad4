#include "ps/memory_watch.h"

#include <algorithm>

#include "base/byte_count.h"

namespace sherd {
namespace {

constexpr char kAdvice[] = "; raise memory_budget, add servers, or ";

bool Stops(const proto::TableSpec& table) { return table.storage().at_budget() == proto::RowStorage::STOP; }

}  // namespace

MemoryWatch::MemoryWatch(const ShardStore* store, std::uint64_t budget)
    : store_(store), whole_budget_(budget), budget_(budget) {
  const auto& tables = store->model().table();
  if (std::none_of(tables.begin(), tables.end(), Stops)) budget_ = 0;  // nobody to stop
  // Where others make room up to the budget, being near to it means nothing.
  const bool all_stop = std::all_of(tables.begin(), tables.end(), Stops);
  warn_at_ = all_stop ? budget_ - budget_ / 20 : budget_;
}

// Evicting and waiting do not help.
void MemoryWatch::LookAtKeys(const proto::TableSpec& spec, const EmbeddingTable& table) {
  const EmbeddingTable::Memory memory = table.memory();
  const std::uint64_t others = store_->bytes() - table.bytes(), keys = memory.keys + memory.index;
  const std::uint64_t left = whole_budget_ - std::min(whole_budget_, others);
  if (keys <= left / 2) return;
  exceeded_ = true;
  if (!full_.empty()) return;
  full_ = "the keys of table '" + spec.name() + "' need " + BytesText(keys) + " of memory, more than half of the " +
          BytesText(left) + " that memory_budget leaves to it" + kAdvice +
          "give fewer keys a row, by its storage.admit_after, max_age_clocks or max_rows, or by at_budget EVICT";
}

// The largest of those that have not made any way so far.
std::string MemoryWatch::AdviceToGiveWay() const {
  std::uint32_t largest = store_->tables();
  for (std::uint32_t i = 0; i < store_->tables(); ++i) {
    if (!Stops(store_->model().table(static_cast<int>(i)))) continue;
    if (largest == store_->tables() || store_->table(i).bytes() > store_->table(largest).bytes()) largest = i;
  }
  return kAdvice + ("set storage.at_budget of table '" + store_->model().table(static_cast<int>(largest)).name()) +
         "' to EVICT or SPILL";
}

void MemoryWatch::Look() {
  if (whole_budget_ == 0) return;
  exceeded_ = false;
  for (std::uint32_t i = 0; i < store_->tables(); ++i) {
    const proto::TableSpec& spec = store_->model().table(static_cast<int>(i));
    if (spec.storage().at_budget() == proto::RowStorage::SPILL) LookAtKeys(spec, store_->table(i));
  }
  if (budget_ == 0) return;
  const std::uint64_t bytes = store_->bytes();
  exceeded_ = exceeded_ || bytes >= budget_;
  if (bytes < warn_at_ || !full_.empty()) return;
  const auto percent = static_cast<int>(100 * static_cast<double>(bytes) / static_cast<double>(budget_));
  full_ = std::to_string(percent) + " % of its " + BytesText(budget_) +
          " of memory_budget are used: " + store_->DescribeMemory() + AdviceToGiveWay();
}

}  // namespace sherd
