#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/sgd.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

void ApplySgd(const RowBatch& batch, float rate) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      hn::StoreU(hn::Sub(hn::LoadU(d, w + i), hn::Mul(hn::Set(d, rate), hn::LoadU(d, g + i))), d, w + i);
    });
  }
}

void ApplyMomentum(const RowBatch& batch, float rate, float momentum) {
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* HWY_RESTRICT w = batch.rows[r] + batch.weights;
    float* HWY_RESTRICT buffer = batch.states[r] + batch.state;
    const float* HWY_RESTRICT g = batch.gradients + r * batch.stride;
    ForEachVector(batch.dim, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto b = hn::Add(hn::Mul(hn::Set(d, momentum), hn::LoadU(d, buffer + i)), hn::LoadU(d, g + i));
      hn::StoreU(b, d, buffer + i);
      hn::StoreU(hn::Sub(hn::LoadU(d, w + i), hn::Mul(hn::Set(d, rate), b)), d, w + i);
    });
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplySgd);
HWY_EXPORT(ApplyMomentum);

namespace {

class Sgd : public RowOptimizer {
 public:
  Sgd(const proto::Sgd& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        momentum_(static_cast<float>(spec.momentum())) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return momentum_ > 0 ? dim : 0; }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    if (momentum_ > 0) {
      HWY_DYNAMIC_DISPATCH(ApplyMomentum)(means, rate_ * rate_scale, momentum_);
    } else {
      HWY_DYNAMIC_DISPATCH(ApplySgd)(means, rate_ * rate_scale);
    }
  }

 private:
  const float rate_, momentum_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeSgd(const proto::Sgd& spec, GradientRules rules) {
  return std::make_unique<Sgd>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
