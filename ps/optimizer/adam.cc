#include <algorithm>
#include <cmath>

#include "ps/optimizer/adam_corrections.h"
#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/adam.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

#ifndef SHERD_PS_ADAM_TERMS_
#define SHERD_PS_ADAM_TERMS_
namespace sherd {
struct AdamTerms {
  float keep1, take1;  // beta1, 1 - beta1
  float keep2, take2;
  float epsilon;
};
}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplyAdam(const RowBatch& batch, float rate, const AdamTerms& terms, const AdamCorrections& corrections) {
  constexpr float kLastStep = 16777216;  // the last whole number that a float counts to
  const float keep1 = terms.keep1, take1 = terms.take1, keep2 = terms.keep2, take2 = terms.take2;
  const float epsilon = terms.epsilon;
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT m = batch.rows[r] + batch.state;
    float* HWY_RESTRICT v = m + batch.dim;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    float& t = v[batch.dim];
    t = std::min(t + 1, kLastStep);
    const AdamCorrections::Terms correction = corrections.at(static_cast<std::uint32_t>(t));
    const float step = rate * correction.rate;
    const float root = correction.root;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto gradient = hn::LoadU(d, g + i);
      const auto first = hn::Add(hn::Mul(hn::Set(d, keep1), hn::LoadU(d, m + i)), hn::Mul(hn::Set(d, take1), gradient));
      const auto second = hn::Add(hn::Mul(hn::Set(d, keep2), hn::LoadU(d, v + i)),
                                  hn::Mul(hn::Set(d, take2), hn::Mul(gradient, gradient)));
      hn::StoreU(first, d, m + i);
      hn::StoreU(second, d, v + i);
      const auto divisor = hn::Add(hn::Div(hn::Sqrt(second), hn::Set(d, root)), hn::Set(d, epsilon));
      hn::StoreU(hn::Sub(hn::LoadU(d, w + i), hn::Div(hn::Mul(hn::Set(d, step), first), divisor)), d, w + i);
    });
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyAdam);

namespace {

// By squaring: the same bits on every machine, which pow does not promise.
double Power(double base, std::uint32_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

class Adam : public RowOptimizer {
 public:
  Adam(const proto::Adam& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        terms_{.keep1 = static_cast<float>(spec.beta1()),
               .take1 = static_cast<float>(1 - spec.beta1()),
               .keep2 = static_cast<float>(spec.beta2()),
               .take2 = static_cast<float>(1 - spec.beta2()),
               .epsilon = std::max(kLeastEpsilon, static_cast<float>(spec.epsilon()))},
        corrections_(spec.beta1(), spec.beta2()) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return 2 * dim + 1; }
  void Init(std::span<const float> weights, float* state) const override {
    std::fill_n(state, 2 * weights.size() + 1, 0.0f);
  }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    HWY_DYNAMIC_DISPATCH(ApplyAdam)(means, rate_ * rate_scale, terms_, corrections_);
  }

 private:
  const float rate_;
  const AdamTerms terms_;
  const AdamCorrections corrections_;
};

}  // namespace

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

std::unique_ptr<RowOptimizer> MakeAdam(const proto::Adam& spec, GradientRules rules) {
  return std::make_unique<Adam>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
