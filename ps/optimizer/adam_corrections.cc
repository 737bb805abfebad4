#include "ps/optimizer/adam_corrections.h"

#include <cmath>

#include "base/power.h"

namespace sherd {

AdamCorrections::AdamCorrections(double beta1, double beta2) : beta1_(beta1), beta2_(beta2) {
  constexpr std::uint32_t kMost = 1 << 16;
  table_.push_back({.rate = 1, .root = 1});
  while (table_.size() < kMost && !converged_) {
    table_.push_back(Compute(static_cast<std::uint32_t>(table_.size())));
    converged_ = table_.back().rate == 1.0f && table_.back().root == 1.0f;
  }
}

AdamCorrections::Terms AdamCorrections::Compute(std::uint32_t t) const {
  return {.rate = static_cast<float>(1 / (1 - Power(beta1_, t))),
          .root = static_cast<float>(std::sqrt(1 - Power(beta2_, t)))};
}

}  // namespace sherd
