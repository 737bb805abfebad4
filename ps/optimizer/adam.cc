#include <type_traits>

#include "ps/optimizer/adam_corrections.h"
#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/adam.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

// AMSGrad differs in what it divides by: the greatest second moment so far, which stands behind the present one.
template <bool kGreatest>
HWY_INLINE void ApplySteps(const RowBatch& batch, float rate, const AdamTerms& terms,
                           const AdamCorrections& corrections) {
  const float keep1 = terms.keep1, take1 = terms.take1, keep2 = terms.keep2, take2 = terms.take2;
  const float epsilon = terms.epsilon;
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT m = batch.states[r] + batch.state;
    float* HWY_RESTRICT v = m + batch.dim;
    float* HWY_RESTRICT greatest = v + batch.dim;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    const AdamCorrections::Terms correction = corrections.Step(v + (kGreatest ? 2 : 1) * batch.dim);
    const float step = rate * correction.rate;
    const float root = correction.root;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto gradient = hn::LoadU(d, g + i);
      const auto first = Blend(d, keep1, m + i, take1, gradient);
      const auto second = Blend(d, keep2, v + i, take2, hn::Mul(gradient, gradient));
      hn::StoreU(first, d, m + i);
      hn::StoreU(second, d, v + i);
      auto most = second;
      if constexpr (kGreatest) {
        most = hn::Max(hn::LoadU(d, greatest + i), second);
        hn::StoreU(most, d, greatest + i);
      }
      const auto divisor = hn::Add(hn::Div(hn::Sqrt(most), hn::Set(d, root)), hn::Set(d, epsilon));
      hn::StoreU(hn::Sub(hn::LoadU(d, w + i), hn::Div(hn::Mul(hn::Set(d, step), first), divisor)), d, w + i);
    });
  }
}

void ApplyAdam(const RowBatch& batch, float rate, const AdamTerms& terms, const AdamCorrections& corrections) {
  ApplySteps<false>(batch, rate, terms, corrections);
}

void ApplyAmsGrad(const RowBatch& batch, float rate, const AdamTerms& terms, const AdamCorrections& corrections) {
  ApplySteps<true>(batch, rate, terms, corrections);
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyAdam);
HWY_EXPORT(ApplyAmsGrad);

namespace {

template <class Spec>
class Adam : public RowOptimizer {
 public:
  Adam(const Spec& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        terms_(AdamTerms::Of(spec)),
        corrections_(spec.beta1(), spec.beta2()) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return (kGreatest ? 3 : 2) * dim + 1; }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    const float rate = rate_ * rate_scale;
    if constexpr (kGreatest) {
      HWY_DYNAMIC_DISPATCH(ApplyAmsGrad)(means, rate, terms_, corrections_);
    } else {
      HWY_DYNAMIC_DISPATCH(ApplyAdam)(means, rate, terms_, corrections_);
    }
  }

 private:
  static constexpr bool kGreatest = std::is_same_v<Spec, proto::AmsGrad>;

  const float rate_;
  const AdamTerms terms_;
  const AdamCorrections corrections_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeAdam(const proto::Adam& spec, GradientRules rules) {
  return std::make_unique<Adam<proto::Adam>>(spec, rules);
}

std::unique_ptr<RowOptimizer> MakeAmsGrad(const proto::AmsGrad& spec, GradientRules rules) {
  return std::make_unique<Adam<proto::AmsGrad>>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
