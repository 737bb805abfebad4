#include <algorithm>
#include <cmath>

#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/rowwise_adagrad.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/lane_squares.inc"
#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

// A few rows at a time: their sums, then all square roots and divisions, which so overlap, then their weights.
void ApplyRowwiseAdagrad(const RowBatch& batch, float rate, float epsilon) {
  constexpr std::size_t kTogether = 8;
  HWY_ALIGN float steps[kTogether] = {};
  const double share = 1.0 / batch.dim;
  for (std::size_t first = 0; first < batch.rows.size(); first += kTogether) {
    const std::size_t count = std::min(kTogether, batch.rows.size() - first);
    const float* gradients = batch.gradients + first * batch.stride;
    for (std::size_t r = 0; r < count; ++r) {
      float* sum = batch.states[first + r] + batch.state;
      *sum += static_cast<float>(LaneSquares(gradients + r * batch.stride, batch.dim) * share);
      steps[r] = *sum;
    }
    ForEachVector(kTogether, [=, &steps](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto divisor = hn::Add(hn::Sqrt(hn::LoadU(d, steps + i)), hn::Set(d, epsilon));
      hn::StoreU(hn::Div(hn::Set(d, rate), divisor), d, steps + i);
    });
    for (std::size_t r = 0; r < count; ++r) {
      float* HWY_RESTRICT w = batch.rows[first + r] + batch.weights;
      const float* HWY_RESTRICT g = gradients + r * batch.stride;
      const float step = steps[r];
      ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
        hn::StoreU(hn::Sub(hn::LoadU(d, w + i), hn::Mul(hn::Set(d, step), hn::LoadU(d, g + i))), d, w + i);
      });
    }
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyRowwiseAdagrad);

namespace {

class RowwiseAdagrad : public RowOptimizer {
 public:
  RowwiseAdagrad(const proto::RowwiseAdagrad& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        epsilon_(std::max(kLeastEpsilon, static_cast<float>(spec.epsilon()))),
        initial_(static_cast<float>(spec.initial_accumulator())) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return 1; }
  void Init(std::span<const float> weights, float* state) const override { *state = initial_; }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    HWY_DYNAMIC_DISPATCH(ApplyRowwiseAdagrad)(means, rate_ * rate_scale, epsilon_);
  }

 private:
  const float rate_, epsilon_, initial_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeRowwiseAdagrad(const proto::RowwiseAdagrad& spec, GradientRules rules) {
  return std::make_unique<RowwiseAdagrad>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
