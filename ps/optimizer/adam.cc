#include <algorithm>

#include "ps/optimizer/adam_corrections.h"
#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/adam.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplyAdam(const RowBatch& batch, float rate, const AdamTerms& terms, const AdamCorrections& corrections) {
  const float keep1 = terms.keep1, take1 = terms.take1, keep2 = terms.keep2, take2 = terms.take2;
  const float epsilon = terms.epsilon;
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT m = batch.states[r] + batch.state;
    float* HWY_RESTRICT v = m + batch.dim;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    const AdamCorrections::Terms correction = corrections.Step(v + batch.dim);
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

class Adam : public RowOptimizer {
 public:
  Adam(const proto::Adam& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        terms_(AdamTerms::Of(spec)),
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

std::unique_ptr<RowOptimizer> MakeAdam(const proto::Adam& spec, GradientRules rules) {
  return std::make_unique<Adam>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
