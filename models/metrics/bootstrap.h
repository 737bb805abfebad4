#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/status.h"
#include "models/metrics/evaluated_rows.h"

namespace sherd {

// How far figures may be off: by the figures of samples of the groups, each as many groups as there are, drawn with
// replacement (Efron 1979). Groups are drawn, not rows, because what one user does hangs together.

struct Interval {
  double low = 0, high = 0;  // 95 % of the samples are between

  friend bool operator==(const Interval&, const Interval&) = default;
};

// By the figures' names. A figure that some sample does not have (AUC without positives) is absent.
std::map<std::string, Interval> BootstrapIntervals(const EvaluatedRows& rows, std::uint32_t samples);

// Two models on the same rows: each sample's groups are the same for both, so that what is common to them cancels.
struct PairedDifference {
  double difference = 0;  // of the figures: the first one's minus the second one's
  Interval interval;
  double p = 1;  // two-sided: how often samples would lie on the other side of zero, were there no difference
};

// Invalid when the rows are not the same.
Result<std::map<std::string, PairedDifference>> ComparePaired(const EvaluatedRows& first, const EvaluatedRows& second,
                                                              std::uint32_t samples);

}  // namespace sherd
