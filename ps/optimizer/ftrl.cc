#include <algorithm>
#include <cmath>

#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/ftrl.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

// With D = (beta + sqrt(n)) / alpha + lambda2 the paper has w = -(z - sign(z) lambda1) / D for |z| > lambda1, else 0,
// and z' = z + g - (D' - D) w. For w != 0 its own z is -D w - sign(w) lambda1, so z' = g - D' w - sign(w) lambda1,
// which does not ask what alpha was at the step before: the rate may change without moving a weight.
void ApplyFtrl(const RowBatch& batch, float alpha, float beta, float lambda1, float lambda2) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT z = batch.states[r] + batch.state;
    float* HWY_RESTRICT n = z + batch.dim;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto zero = hn::Zero(d);
      const auto l1 = hn::Set(d, lambda1);
      const auto gradient = hn::LoadU(d, g + i);
      const auto weight = hn::LoadU(d, w + i);
      const auto squares = hn::Add(hn::LoadU(d, n + i), hn::Mul(gradient, gradient));
      hn::StoreU(squares, d, n + i);
      const auto divisor =
          hn::Add(hn::Div(hn::Add(hn::Set(d, beta), hn::Sqrt(squares)), hn::Set(d, alpha)), hn::Set(d, lambda2));
      const auto from_zero = hn::Add(hn::LoadU(d, z + i), gradient);
      const auto from_weight = hn::Sub(hn::Sub(gradient, hn::Mul(divisor, weight)), hn::CopySign(l1, weight));
      const auto sum = hn::IfThenElse(hn::Eq(weight, zero), from_zero, from_weight);
      hn::StoreU(sum, d, z + i);
      const auto beyond = hn::Sub(hn::Abs(sum), l1);
      const auto moved = hn::Div(hn::Neg(hn::CopySign(beyond, sum)), divisor);
      const auto next = hn::IfThenElseZero(hn::Gt(beyond, zero), moved);
      hn::StoreU(hn::IfThenElse(hn::Gt(divisor, zero), next, weight), d, w + i);
    });
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyFtrl);

namespace {

class Ftrl : public RowOptimizer {
 public:
  Ftrl(const proto::Ftrl& spec, GradientRules rules)
      : RowOptimizer(rules),
        alpha_(static_cast<float>(spec.alpha())),
        beta_(static_cast<float>(spec.beta())),
        lambda1_(static_cast<float>(spec.lambda1())),
        lambda2_(static_cast<float>(spec.lambda2())) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return 2 * dim; }

  // The z that gives the first weights back.
  void Init(std::span<const float> weights, float* state) const override {
    std::fill_n(state, 2 * weights.size(), 0.0f);
    const float divisor = beta_ / alpha_ + lambda2_;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] != 0) state[i] = -divisor * weights[i] - std::copysign(lambda1_, weights[i]);
    }
  }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    if (alpha_ * rate_scale <= 0) return;  // a rate of 0 is no step
    HWY_DYNAMIC_DISPATCH(ApplyFtrl)(means, alpha_ * rate_scale, beta_, lambda1_, lambda2_);
  }

 private:
  const float alpha_, beta_, lambda1_, lambda2_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeFtrl(const proto::Ftrl& spec, GradientRules rules) {
  return std::make_unique<Ftrl>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
