#include <algorithm>

#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/adagrad.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplyAdagrad(const RowBatch& batch, float rate, float epsilon) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT sum = batch.states[r] + batch.state;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto gradient = hn::LoadU(d, g + i);
      const auto s = hn::Add(hn::LoadU(d, sum + i), hn::Mul(gradient, gradient));
      hn::StoreU(s, d, sum + i);
      const auto step = hn::Div(hn::Mul(hn::Set(d, rate), gradient), hn::Add(hn::Sqrt(s), hn::Set(d, epsilon)));
      hn::StoreU(hn::Sub(hn::LoadU(d, w + i), step), d, w + i);
    });
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyAdagrad);

namespace {

class Adagrad : public RowOptimizer {
 public:
  Adagrad(const proto::Adagrad& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        epsilon_(std::max(kLeastEpsilon, static_cast<float>(spec.epsilon()))),
        initial_(static_cast<float>(spec.initial_accumulator())) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return dim; }
  void Init(std::span<const float> weights, float* state) const override {
    std::fill_n(state, weights.size(), initial_);
  }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    HWY_DYNAMIC_DISPATCH(ApplyAdagrad)(means, rate_ * rate_scale, epsilon_);
  }

 private:
  const float rate_, epsilon_, initial_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeAdagrad(const proto::Adagrad& spec, GradientRules rules) {
  return std::make_unique<Adagrad>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
