#include "ps/optimizer/row_optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ps/optimizer/gradient.h"
#include "ps/optimizer/kinds.h"

namespace sherd {
namespace {

constexpr std::size_t kScratchFloats = 4096;  // stays in the first cache

// Collects the first field that is out of its range.
class FieldCheck {
 public:
  explicit FieldCheck(std::string where) : where_(std::move(where)) {}

  FieldCheck& InRange(const char* field, double value, double min, double max) {
    if (status_.ok() && !(value >= min && value <= max)) {
      status_ = Status::Invalid(where_ + "." + field + ": " + std::to_string(value) + " is not in [" +
                                std::to_string(min) + ", " + std::to_string(max) + "]");
    }
    return *this;
  }
  FieldCheck& Below(const char* field, double value, double limit) {
    if (status_.ok() && !(value >= 0 && value < limit)) {
      status_ = Status::Invalid(where_ + "." + field + ": " + std::to_string(value) + " is not in [0, " +
                                std::to_string(limit) + ")");
    }
    return *this;
  }
  FieldCheck& Refuse(const char* field, double value, const char* why) {
    if (status_.ok() && value != 0) status_ = Status::Invalid(where_ + "." + field + ": " + why);
    return *this;
  }
  Status status() const { return status_; }

 private:
  const std::string where_;
  Status status_;
};

constexpr double kMost = std::numeric_limits<float>::max();

Status Check(const proto::Optimizer& spec, const std::string& where) {
  FieldCheck check(where);
  check.InRange("l2", spec.l2(), 0, kMost).InRange("clip_norm", spec.clip_norm(), 0, kMost);
  switch (spec.kind_case()) {
    case proto::Optimizer::kSgd:
      check.InRange("sgd.learning_rate", spec.sgd().learning_rate(), 0, kMost);
      return check.Below("sgd.momentum", spec.sgd().momentum(), 1).status();
    case proto::Optimizer::kRowwiseAdagrad:
      check.InRange("rowwise_adagrad.learning_rate", spec.rowwise_adagrad().learning_rate(), 0, kMost);
      check.InRange("rowwise_adagrad.initial_accumulator", spec.rowwise_adagrad().initial_accumulator(), 0, kMost);
      return check.InRange("rowwise_adagrad.epsilon", spec.rowwise_adagrad().epsilon(), 0, kMost).status();
    case proto::Optimizer::kAdam:
      check.InRange("adam.learning_rate", spec.adam().learning_rate(), 0, kMost);
      check.Below("adam.beta1", spec.adam().beta1(), 1).Below("adam.beta2", spec.adam().beta2(), 1);
      return check.InRange("adam.epsilon", spec.adam().epsilon(), 0, kMost).status();
    case proto::Optimizer::kFtrl:
      check.InRange("ftrl.alpha", spec.ftrl().alpha(), std::numeric_limits<float>::min(), kMost);
      check.InRange("ftrl.beta", spec.ftrl().beta(), 0, kMost);
      check.InRange("ftrl.lambda1", spec.ftrl().lambda1(), 0, kMost);
      check.InRange("ftrl.lambda2", spec.ftrl().lambda2(), 0, kMost);
      return check.Refuse("l2", spec.l2(), "not with ftrl, whose own is lambda2").status();
    case proto::Optimizer::kMovingAverage:
      check.InRange("moving_average.momentum", spec.moving_average().momentum(), 0, 1);
      check.Refuse("clip_norm", spec.clip_norm(), "not with moving_average, which learns nothing");
      return check.Refuse("l2", spec.l2(), "not with moving_average, which learns nothing").status();
    case proto::Optimizer::kAdagrad:
    case proto::Optimizer::KIND_NOT_SET:
      check.InRange("adagrad.learning_rate", spec.adagrad().learning_rate(), 0, kMost);
      check.InRange("adagrad.initial_accumulator", spec.adagrad().initial_accumulator(), 0, kMost);
      return check.InRange("adagrad.epsilon", spec.adagrad().epsilon(), 0, kMost).status();
  }
  return check.status();
}

}  // namespace

void RowOptimizer::Update(const RowBatch& batch, float divisor, float rate_scale, AlignedBuffer<float>* scratch) const {
  if (divisor == 1 && rules_.l2 == 0 && rules_.clip_norm == 0) return Apply(batch, rate_scale);
  const std::size_t step = std::max<std::size_t>(1, kScratchFloats / batch.dim);
  scratch->Resize(std::min(step, batch.rows.size()) * batch.dim);
  for (std::size_t first = 0; first < batch.rows.size(); first += step) {
    RowBatch part = batch;
    part.rows = batch.rows.subspan(first, std::min(step, batch.rows.size() - first));
    part.gradients = batch.gradients + first * batch.stride;
    PrepareGradients(part, divisor, rules_, scratch->data());
    part.gradients = scratch->data();
    part.stride = batch.dim;
    Apply(part, rate_scale);
  }
}

Result<std::unique_ptr<RowOptimizer>> MakeRowOptimizer(const proto::Optimizer& spec, const std::string& where) {
  RETURN_IF_ERROR(Check(spec, where));
  const GradientRules rules{.l2 = static_cast<float>(spec.l2()), .clip_norm = static_cast<float>(spec.clip_norm())};
  switch (spec.kind_case()) {
    case proto::Optimizer::kSgd:
      return MakeSgd(spec.sgd(), rules);
    case proto::Optimizer::kRowwiseAdagrad:
      return MakeRowwiseAdagrad(spec.rowwise_adagrad(), rules);
    case proto::Optimizer::kAdam:
      return MakeAdam(spec.adam(), rules);
    case proto::Optimizer::kFtrl:
      return MakeFtrl(spec.ftrl(), rules);
    case proto::Optimizer::kMovingAverage:
      return MakeMovingAverage(spec.moving_average(), rules);
    case proto::Optimizer::kAdagrad:
    case proto::Optimizer::KIND_NOT_SET:
      break;
  }
  return MakeAdagrad(spec.adagrad(), rules);
}

}  // namespace sherd
