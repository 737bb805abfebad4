#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/partition.h"
#include "ps/row_layout.h"

namespace sherd {

// The rules of docs/tables.md by brute force: what the tables of a job hold, whatever their storage and shards. Rows
// are a weight by SGD and `dim` by Adagrad.
class TableModel {
 public:
  static constexpr std::uint64_t kStream = 77;  // of the tables that are compared with it
  static RowLayout LayoutOf(std::uint32_t dim, const proto::RowStorage& storage);

  struct Row {
    std::vector<float> floats;  // as a row's: weights, then sums
    std::uint32_t clock = 0;
    std::uint32_t second = 0;
    std::uint32_t count = 0;
  };

  explicit TableModel(const RowLayout& layout) : layout_(layout), dim_(layout.weight_floats() - 1) {}

  std::vector<float> Weights(Key key) const;
  void Push(Key key, const float* sums);
  void Restore(Key key, const Row& row);
  // After each push and restored row, for the slots of their keys.
  void KeepLimits(const std::set<Slot>& touched);
  void Advance(std::uint32_t clock, std::uint32_t second);

  std::uint32_t clock() const { return clock_; }
  std::uint32_t second() const { return second_; }

  std::map<Key, Row> rows;
  std::map<Key, std::uint32_t> candidates;

 private:
  const proto::RowStorage& storage() const { return layout_.storage(); }
  bool Expired(const Row& row) const;

  const RowLayout layout_;
  const std::size_t dim_;
  std::uint32_t clock_ = 0, second_ = 0;
  std::optional<std::uint32_t> swept_clock_, swept_second_;
};

}  // namespace sherd
