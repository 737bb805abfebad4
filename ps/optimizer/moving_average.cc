#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/moving_average.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplyMovingAverage(const RowBatch& batch, float keep, float take) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      hn::StoreU(Blend(d, keep, w + i, take, hn::LoadU(d, g + i)), d, w + i);
    });
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyMovingAverage);

namespace {

class MovingAverage : public RowOptimizer {
 public:
  MovingAverage(const proto::MovingAverage& spec, GradientRules rules)
      : RowOptimizer(rules),
        keep_(static_cast<float>(spec.momentum())),
        take_(static_cast<float>(1 - spec.momentum())) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return 0; }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    HWY_DYNAMIC_DISPATCH(ApplyMovingAverage)(means, keep_, take_);
  }

 private:
  const float keep_, take_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeMovingAverage(const proto::MovingAverage& spec, GradientRules rules) {
  return std::make_unique<MovingAverage>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
