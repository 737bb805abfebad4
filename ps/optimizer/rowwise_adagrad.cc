#include <algorithm>
#include <cmath>

#include "ps/optimizer/gradient.h"
#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/rowwise_adagrad.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplyRowwiseAdagrad(const RowBatch& batch, float rate, float epsilon) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* sum = batch.rows[r] + batch.state;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    *sum += static_cast<float>(SumOfSquares({g, batch.dim}) / batch.dim);
    const float step = rate / (std::sqrt(*sum) + epsilon);
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      hn::StoreU(hn::Sub(hn::LoadU(d, w + i), hn::Mul(hn::Set(d, step), hn::LoadU(d, g + i))), d, w + i);
    });
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
