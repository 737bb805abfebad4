#include <algorithm>
#include <cmath>

#include "ps/optimizer/adam_corrections.h"
#include "ps/optimizer/kinds.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ps/optimizer/lamb.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "ps/optimizer/lane_squares.inc"
#include "ps/optimizer/vector_loop.inc"

HWY_BEFORE_NAMESPACE();
namespace sherd::HWY_NAMESPACE {

constexpr std::size_t kLambPart = 256;  // elements whose update is kept at a time: whole rounds of the eight lanes

void MoveMoments(const float* HWY_RESTRICT g, std::size_t n, const AdamTerms& terms, float* HWY_RESTRICT m,
                 float* HWY_RESTRICT v) {
  const float keep1 = terms.keep1, take1 = terms.take1, keep2 = terms.keep2, take2 = terms.take2;
  ForEachVector(n, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
    const auto gradient = hn::LoadU(d, g + i);
    const auto first = Blend(d, keep1, m + i, take1, gradient);
    const auto second = Blend(d, keep2, v + i, take2, hn::Mul(gradient, gradient));
    hn::StoreU(first, d, m + i);
    hn::StoreU(second, d, v + i);
  });
}

// update[0, n): what LAMB takes the norm of.
struct LambUpdate {
  AdamCorrections::Terms correction;
  float epsilon, weight_decay;

  HWY_INLINE void Compute(const float* HWY_RESTRICT w, const float* HWY_RESTRICT m, const float* HWY_RESTRICT v,
                          std::size_t n, float* HWY_RESTRICT update) const {
    const float rate = correction.rate, root = correction.root, eps = epsilon, decay = weight_decay;
    ForEachVector(n, [=](auto d, std::size_t i) SHERD_LOOP_BODY {
      const auto divisor = hn::Add(hn::Div(hn::Sqrt(hn::LoadU(d, v + i)), hn::Set(d, root)), hn::Set(d, eps));
      const auto direction = hn::Div(hn::Mul(hn::Set(d, rate), hn::LoadU(d, m + i)), divisor);
      hn::StoreU(hn::Add(direction, hn::Mul(hn::Set(d, decay), hn::LoadU(d, w + i))), d, update + i);
    });
  }
};

void ApplyLamb(const RowBatch& batch, float rate, float weight_decay, const AdamTerms& terms,
               const AdamCorrections& corrections) {
  HWY_ALIGN float update[kLambPart];
  for (std::size_t r = 0; r < batch.rows.size(); ++r) {
    float* w = batch.rows[r] + batch.weights;
    float* m = batch.states[r] + batch.state;
    float* v = m + batch.dim;
    MoveMoments(batch.gradients + r * batch.stride, batch.dim, terms, m, v);
    const LambUpdate part{corrections.Step(v + batch.dim), terms.epsilon, weight_decay};
    double lanes[kSquareLanes] = {};
    for (std::size_t i = 0; i < batch.dim; i += kLambPart) {
      const std::size_t n = std::min(kLambPart, batch.dim - i);
      part.Compute(w + i, m + i, v + i, n, update);
      AddSquares(update, n, lanes);
    }
    const double weights = LaneSquares(w, batch.dim), updates = SumOfLanes(lanes);
    const double ratio = weights == 0 || updates == 0 ? 1 : std::sqrt(weights) / std::sqrt(updates);
    const float step = static_cast<float>(rate * ratio);
    for (std::size_t i = 0; i < batch.dim; i += kLambPart) {
      const std::size_t n = std::min(kLambPart, batch.dim - i);
      if (batch.dim > kLambPart) part.Compute(w + i, m + i, v + i, n, update);
      ForEachVector(n, [=, &update](auto d, std::size_t j) SHERD_LOOP_BODY {
        const auto moved = hn::Sub(hn::LoadU(d, w + i + j), hn::Mul(hn::Set(d, step), hn::LoadU(d, update + j)));
        hn::StoreU(moved, d, w + i + j);
      });
    }
  }
}

}  // namespace sherd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
HWY_EXPORT(ApplyLamb);

namespace {

class Lamb : public RowOptimizer {
 public:
  Lamb(const proto::Lamb& spec, GradientRules rules)
      : RowOptimizer(rules),
        rate_(static_cast<float>(spec.learning_rate())),
        weight_decay_(static_cast<float>(spec.weight_decay())),
        terms_(AdamTerms::Of(spec)),
        corrections_(spec.beta1(), spec.beta2()) {}

  std::uint32_t state_floats(std::uint32_t dim) const override { return 2 * dim + 1; }

 protected:
  void Apply(const RowBatch& means, float rate_scale) const override {
    HWY_DYNAMIC_DISPATCH(ApplyLamb)(means, rate_ * rate_scale, weight_decay_, terms_, corrections_);
  }

 private:
  const float rate_, weight_decay_;
  const AdamTerms terms_;
  const AdamCorrections corrections_;
};

}  // namespace

std::unique_ptr<RowOptimizer> MakeLamb(const proto::Lamb& spec, GradientRules rules) {
  return std::make_unique<Lamb>(spec, rules);
}

}  // namespace sherd
#endif  // HWY_ONCE
