#include "ps/memory_watch.h"

#include <algorithm>

#include "base/byte_count.h"

namespace sherd {
namespace {

bool Stops(const proto::TableSpec& table) { return table.storage().at_budget() == proto::RowStorage::STOP; }

}  // namespace

MemoryWatch::MemoryWatch(const ShardStore* store, std::uint64_t budget) : store_(store), budget_(budget) {
  const auto& tables = store->model().table();
  if (std::none_of(tables.begin(), tables.end(), Stops)) budget_ = 0;  // nobody to stop
  // Where others make room up to the budget, being near to it means nothing.
  const bool all_stop = std::all_of(tables.begin(), tables.end(), Stops);
  warn_at_ = all_stop ? budget_ - budget_ / 20 : budget_;
}

void MemoryWatch::Look() {
  if (budget_ == 0) return;
  const std::uint64_t bytes = store_->bytes();
  exceeded_ = bytes >= budget_;
  if (bytes < warn_at_ || !full_.empty()) return;
  const auto percent = static_cast<int>(100 * static_cast<double>(bytes) / static_cast<double>(budget_));
  full_ = std::to_string(percent) + " % of its " + BytesText(budget_) +
          " of memory_budget are used: " + store_->DescribeMemory();
}

}  // namespace sherd
