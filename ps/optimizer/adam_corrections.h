#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ps/optimizer/kinds.h"

namespace sherd {

// What Adam and its relatives (AMSGrad, LAMB) multiply by, from a spec of any of them.
struct AdamTerms {
  float keep1, take1;  // beta1, 1 - beta1
  float keep2, take2;
  float epsilon;

  template <class Spec>
  static AdamTerms Of(const Spec& spec) {
    return {.keep1 = static_cast<float>(spec.beta1()),
            .take1 = static_cast<float>(1 - spec.beta1()),
            .keep2 = static_cast<float>(spec.beta2()),
            .take2 = static_cast<float>(1 - spec.beta2()),
            .epsilon = std::max(kLeastEpsilon, static_cast<float>(spec.epsilon()))};
  }
};

// Adam's two bias corrections by step, from a table: no power a row. Immutable.
class AdamCorrections {
 public:
  struct Terms {
    float rate;  // 1 / (1 - beta1^t): multiplies the rate
    float root;  // sqrt(1 - beta2^t): divides sqrt(v)
  };

  AdamCorrections(double beta1, double beta2);

  // t >= 1.
  Terms at(std::uint32_t t) const {
    if (t < table_.size()) return table_[t];
    return converged_ ? table_.back() : Compute(t);
  }

  // Counts a row's step in its state's float *t, up to the last whole number that a float counts to.
  Terms Step(float* t) const {
    constexpr float kLastStep = 16777216;
    *t = std::min(*t + 1, kLastStep);
    return at(static_cast<std::uint32_t>(*t));
  }

 private:
  Terms Compute(std::uint32_t t) const;

  const double beta1_, beta2_;
  std::vector<Terms> table_;  // by t; element 0 is not used
  bool converged_ = false;    // the table's last terms are those of every later step
};

}  // namespace sherd
