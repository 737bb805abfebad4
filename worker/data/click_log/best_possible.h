#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "worker/data/click_log/click_log.h"

namespace sherd {

// Figures of the true probabilities on rows of a click log: no model can expect better ones.
struct BestFigures {
  std::uint64_t rows = 0;
  double click_rate = 0;
  double auc = 0, log_loss = 0;                    // against the clicks as they fell
  double expected_auc = 0, expected_log_loss = 0;  // over all ways in which they could have fallen
};

// Sums of a block of rows, for which no logarithm is left to be taken: threads make them side by side.
struct BlockFigures {
  std::uint64_t rows = 0, clicks = 0;
  double loss = 0, entropy = 0;
  std::vector<float> probabilities;  // of each row, to find its bin
  std::vector<bool> clicked;

  // Of these rows, in place of what was in it.
  void Set(std::span<const ClickRow> rows);
};

// Gathers them. AUC is by a histogram of the probabilities, of 2^20 bins. The same blocks in the same order give the
// same bits. Thread-compatible.
class BestPossible {
 public:
  BestPossible();

  void Add(const BlockFigures& block);
  // NaN: AUC with clicks alone, or with none.
  BestFigures figures() const;

 private:
  struct Bin {
    double probability = 0, complement = 0;  // sums over the bin's rows
    std::uint64_t clicks = 0, others = 0;
  };

  std::uint64_t rows_ = 0, clicks_ = 0;
  double loss_ = 0, entropy_ = 0;
  std::vector<Bin> bins_;
};

}  // namespace sherd
