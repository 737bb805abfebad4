#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/status.h"

namespace sherd {

struct ClickTruth;

struct ClickLogOptions {
  std::uint64_t seed = 1;
  double scale = 1;  // of the number of distinct tokens, where a column of Criteo's has more than 1,000; (0, 100]
  double first_order = 1.5;   // the deviation, over rows, of the logit's part by single columns; [0, 100]
  double second_order = 1.2;  // … by pairs of columns; [0, 100]
  double click_rate = 0.25;   // (0, 1)
};

// A row of Criteo's shape. A missing value is a bit of its mask, and its number says nothing.
struct ClickRow {
  static constexpr int kIntegers = 13, kTokens = 26;

  bool click;
  double probability;  // of a click, for who knows all columns
  std::uint32_t missing_integers, missing_tokens;
  std::array<std::int32_t, kIntegers> integers;
  std::array<std::uint32_t, kTokens> tokens;

  bool has_integer(int i) const { return (missing_integers >> i & 1) == 0; }
  bool has_token(int i) const { return (missing_tokens >> i & 1) == 0; }
};

// Calls f(i, integer) and g(i, token) for what is there, in the order of the columns.
template <typename F, typename G>
void ForEachClickValue(const ClickRow& row, F&& f, G&& g) {
  for (int i = 0; i < ClickRow::kIntegers; ++i) {
    if (row.has_integer(i)) f(i, row.integers[i]);
  }
  for (int i = 0; i < ClickRow::kTokens; ++i) {
    if (row.has_token(i)) g(i, row.tokens[i]);
  }
}

// A generated click log with a planted truth: the probability of each row's click is known, and so is the best that any
// model can do. Row i is a function of the options and i alone, the same bits on any machine, so that any range of rows
// can be made by itself; the options' defaults give the log whose figures docs/data.md has. Immutable.
//
//   token, by its column's Zipf law:    rank r of n by inversion of r^-s; a third of the columns have missing values
//   integer, by a log-logistic law:     floor(2^(location + spread * logit2(u))), cut at a cap
//   logit of a click:                   bias + sum over columns of w + sum over pairs of columns of <v, v>
//
// of which w and v (4 factors) are hashes of a token, smaller by sqrt(1 + r / 1000) as it gets rarer, and a parabola
// and a line of an integer's logarithm. The bias gives the click rate on 65,536 rows that lie far behind all others.
class ClickLog {
 public:
  // Invalid: an option is outside its range.
  static Result<std::unique_ptr<ClickLog>> Make(const ClickLogOptions& options);
  ~ClickLog();

  // Rows first_row, first_row + 1 …
  void Draw(std::uint64_t first_row, std::span<ClickRow> rows) const;

 private:
  explicit ClickLog(const ClickLogOptions& options);

  std::unique_ptr<ClickTruth> truth_;
};

}  // namespace sherd
