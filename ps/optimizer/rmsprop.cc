#include <algorithm>

#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/rmsprop.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

#ifndef SHERD_PS_RMSPROP_TERMS_
#define SHERD_PS_RMSPROP_TERMS_
namespace sherd {
struct RmsPropTerms {
  float keep, take;  // decay, 1 - decay
  float epsilon;
  float momentum;  // 0: the rows have no buffer
};
}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplyRmsProp(const RowBatch& batch, float rate, const RmsPropTerms& terms) {
  const float keep = terms.keep, take = terms.take, epsilon = terms.epsilon, momentum = terms.momentum;
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT v = batch.states[r] + batch.state;
    float* HWY_RESTRICT buffer = v + batch.dim;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto gradient = hn::LoadU(d, g + i);
      const auto second = Blend(d, keep, v + i, take, hn::Mul(gradient, gradient));
      hn::StoreU(second, d, v + i);
      auto step = hn::Div(gradient, hn::Add(hn::Sqrt(second), hn::Set(d, epsilon)));
      if (momentum > 0) {
        step = hn::Add(hn::Mul(hn::Set(d, momentum), hn::LoadU(d, buffer + i)), step);
        hn::StoreU(step, d, buffer + i);
      }
      hn::StoreU(hn::Sub(hn::LoadU(d, w + i), hn::Mul(hn::Set(d, rate), step)), d, w + i);
    });
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyRmsProp);

namespace {

class RmsProp : public RowOptimizer {
 public:
  RmsProp(const proto::RmsProp& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        terms_{.keep = static_cast<float>(spec.decay()),
               .take = static_cast<float>(1 - spec.decay()),
               .epsilon = std::max(kLeastEpsilon, static_cast<float>(spec.epsilon())),
               .momentum = static_cast<float>(spec.momentum())} {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return terms_.momentum > 0 ? 2 * dim : dim; }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    HWY_DYNAMIC_DISPATCH(ApplyRmsProp)(means, rate_ * rate_scale, terms_);
  }

 private:
  const float rate_;
  const RmsPropTerms terms_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeRmsProp(const proto::RmsProp& spec, GradientRules rules) {
  return std::make_unique<RmsProp>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
