#pragma once

#include <cstdint>
#include <string>

#include "base/hash.h"
#include "base/status.h"

namespace sherd {

// Which rows of the training files are for test instead.
struct TestSplit {
  enum class By {
    kNone,
    kHash,  // of file and place, as data.eval_fraction chooses by another: the same rows in every run
    kLast,  // the last rows, in the order of files and rows
    kTime,  // those with the largest values of a column; equal values stay together, and rows without one train
  };
  By by = By::kNone;
  double fraction = 0;  // of the rows
  std::string column;   // kTime

  // "hash:0.1", "last:0.1" or "time:COLUMN:0.1".
  static Result<TestSplit> Parse(const std::string& text);

  bool TakesByHash(std::uint64_t row_id) const {
    constexpr std::uint64_t kLane = 0x74657374;  // keeps the choice apart from other uses of a row's hash
    return by == By::kHash && UnitDouble(Mix(row_id, kLane)) < fraction;
  }
};

}  // namespace sherd
