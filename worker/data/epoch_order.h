#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "worker/data/shuffle.h"

namespace sherd {

// The rows that a file in memory has for a set, in file order or in the order of an epoch, which is a function of the
// seed and the epoch. The order asked for last is kept, so that all chunks of an epoch share it. Thread-safe.
class EpochOrder {
 public:
  using Rows = std::shared_ptr<const std::vector<std::uint32_t>>;

  EpochOrder(std::vector<std::uint32_t> rows, std::uint64_t seed)
      : rows_(std::make_shared<const std::vector<std::uint32_t>>(std::move(rows))), seed_(seed) {}

  std::size_t size() const { return rows_->size(); }
  Rows in_order() const { return rows_; }

  Rows Of(std::uint32_t epoch) {
    std::lock_guard lock(mutex_);
    if (shuffled_ == nullptr || epoch_ != epoch) {
      auto rows = std::make_shared<std::vector<std::uint32_t>>(*rows_);
      Shuffle(Mix(seed_, epoch), std::span(*rows));
      shuffled_ = std::move(rows);
      epoch_ = epoch;
    }
    return shuffled_;
  }

 private:
  const Rows rows_;
  const std::uint64_t seed_;
  std::mutex mutex_;
  Rows shuffled_;
  std::uint32_t epoch_ = 0;
};

}  // namespace sherd
