#include <cmath>

#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/lars.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/lane_squares.inc"
#include "ps/optimizer/vector_loop.inc"

#ifndef SHERD_PS_LARS_TERMS_
#define SHERD_PS_LARS_TERMS_
namespace sherd {
struct LarsTerms {
  float momentum, trust, weight_decay;

  float Ratio(double weights, double gradients) const {  // of the sums of their squares
    if (weights == 0 || gradients == 0) return 1;
    const double norm = std::sqrt(weights);
    return static_cast<float>(trust * norm / (std::sqrt(gradients) + weight_decay * norm));
  }
};
}  // namespace sherd
#endif

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplyLars(const RowBatch& batch, float rate, const LarsTerms& terms) {
  const float momentum = terms.momentum, decay = terms.weight_decay;
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT buffer = batch.states[r] + batch.state;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    const float ratio = terms.Ratio(LaneSquares(w, batch.dim), LaneSquares(g, batch.dim));
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto weight = hn::LoadU(d, w + i);
      const auto update = hn::Add(hn::LoadU(d, g + i), hn::Mul(hn::Set(d, decay), weight));
      const auto b = Blend(d, momentum, buffer + i, ratio, update);
      hn::StoreU(b, d, buffer + i);
      hn::StoreU(hn::Sub(weight, hn::Mul(hn::Set(d, rate), b)), d, w + i);
    });
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyLars);

namespace {

class Lars : public RowOptimizer {
 public:
  Lars(const proto::Lars& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        terms_{.momentum = static_cast<float>(spec.momentum()),
               .trust = static_cast<float>(spec.trust()),
               .weight_decay = static_cast<float>(spec.weight_decay())} {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return dim; }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    HWY_DYNAMIC_DISPATCH(ApplyLars)(means, rate_ * rate_scale, terms_);
  }

 private:
  const float rate_;
  const LarsTerms terms_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeLars(const proto::Lars& spec, GradientRules rules) {
  return std::make_unique<Lars>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
