#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ps/checkpoint_reader.h"
#include "ps/row_layout.h"

namespace sherd {

// By how much numbers differ that stand at the same places.
class ValueDifference {
 public:
  // Returns the largest difference among these. What is a number on one side only differs without bound.
  double Add(std::span<const float> a, std::span<const float> b);

  double max() const { return max_; }
  // "max 0.01, mean 1.2e-05, rms 0.0003", over all numbers, equal ones too.
  std::string Text() const;

 private:
  std::uint64_t count_ = 0;
  double max_ = 0, sum_ = 0, squares_ = 0;
};

// Are these the same bits? A NaN is like itself, and -0 is not 0.
bool SameBits(std::span<const float> a, std::span<const float> b);

// How the rows of a table differ that two checkpoints have under one name. Thread-compatible.
class TableDifference {
 public:
  // Both have the same segments; `state`: and optimizers that keep the same.
  TableDifference(RowLayout a, RowLayout b, bool state);

  // All that both have of the table in one slot.
  void Add(const CheckpointSlot::Table& a, const CheckpointSlot::Table& b);

  bool equal() const { return different_ == 0 && only_a_ == 0 && only_b_ == 0 && candidates_ == 0; }
  void Print(const std::string& name, std::ostream& out) const;

 private:
  struct Row {
    double weights, state;  // the largest difference
    Key key;
    bool operator<(const Row& other) const {  // the one that differs more stands before
      return std::pair(weights, state) != std::pair(other.weights, other.state)
                 ? std::pair(weights, state) > std::pair(other.weights, other.state)
                 : key < other.key;
    }
  };

  void AddRow(Key key, const std::byte* a, const std::byte* b);
  bool SameUsage(const std::byte* a, const std::byte* b) const;
  void Remember(const Row& row);

  const RowLayout a_, b_;
  const bool state_;
  std::vector<float> floats_a_, floats_b_;
  std::uint64_t equal_ = 0, different_ = 0, only_a_ = 0, only_b_ = 0;
  std::uint64_t candidates_ = 0;  // that are not in both with the same count
  ValueDifference weights_difference_, state_difference_;
  std::vector<Row> most_;  // in order
};

}  // namespace sherd
