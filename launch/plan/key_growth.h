#pragma once

#include "launch/plan/key_sample.h"

namespace sherd {

// An estimate, and between what the truth can be believed to lie.
struct Estimate {
  double value = 0, low = 0, high = 0;
};

// How many distinct keys `times` as many occurrences will have, times >= 1. The sample tells how the number grew up to
// now, from a sixty-fourth of the occurrences on; a law of V keys, the r-th most frequent of which comes in proportion
// to r^-s, is fitted to that, and says how it goes on. The bounds are those of all laws that fit nearly as well, and of
// the sample's own error.
Estimate EstimateKeys(const KeySample& sample, double times);

}  // namespace sherd
