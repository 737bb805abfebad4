#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/metrics/auc.h"

namespace sherd {

// A part of the rows that follow one another by prediction.
struct CalibrationBucket {
  double weight = 0;     // of its rows
  double predicted = 0;  // mean probability
  double observed = 0;   // share of positives

  double ratio() const { return predicted / observed; }  // 1 is right; infinite without positives
};

// Probabilities against outcomes, in so many buckets of about equal weight; rows of one score are never parted.
// `sorted` has logits, ascending.
std::vector<CalibrationBucket> CalibrationTable(std::span<const ScoredRow> sorted, std::uint32_t buckets);

}  // namespace sherd
