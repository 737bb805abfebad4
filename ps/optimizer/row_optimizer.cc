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

  FieldCheck& InRange(const std::string& field, double value, double min, double max) {
    if (status_.ok() && !(value >= min && value <= max)) {
      status_ = Status::Invalid(where_ + "." + field + ": " + std::to_string(value) + " is not in [" +
                                std::to_string(min) + ", " + std::to_string(max) + "]");
    }
    return *this;
  }
  FieldCheck& Below(const std::string& field, double value, double limit) {
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
constexpr double kLeast = std::numeric_limits<float>::min();

// Of the kinds that `weight_decay` goes with; 0 for the others.
double LearningRate(const proto::Optimizer& spec) {
  switch (spec.kind_case()) {
    case proto::Optimizer::kSgd:
      return spec.sgd().learning_rate();
    case proto::Optimizer::kRowwiseAdagrad:
      return spec.rowwise_adagrad().learning_rate();
    case proto::Optimizer::kAdam:
      return spec.adam().learning_rate();
    case proto::Optimizer::kAmsgrad:
      return spec.amsgrad().learning_rate();
    case proto::Optimizer::kRmsprop:
      return spec.rmsprop().learning_rate();
    case proto::Optimizer::kAdagrad:
    case proto::Optimizer::KIND_NOT_SET:
      return spec.adagrad().learning_rate();
    default:
      return 0;
  }
}

template <class Spec>
void CheckAdagrad(const std::string& kind, const Spec& spec, FieldCheck* check) {
  check->InRange(kind + ".learning_rate", spec.learning_rate(), 0, kMost);
  check->InRange(kind + ".initial_accumulator", spec.initial_accumulator(), 0, kMost);
  check->InRange(kind + ".epsilon", spec.epsilon(), 0, kMost);
}

template <class Spec>
void CheckAdam(const std::string& kind, const Spec& spec, FieldCheck* check) {
  check->InRange(kind + ".learning_rate", spec.learning_rate(), 0, kMost);
  check->Below(kind + ".beta1", spec.beta1(), 1).Below(kind + ".beta2", spec.beta2(), 1);
  check->InRange(kind + ".epsilon", spec.epsilon(), 0, kMost);
}

void CheckKind(const proto::Optimizer& spec, FieldCheck* check) {
  switch (spec.kind_case()) {
    case proto::Optimizer::kSgd:
      check->InRange("sgd.learning_rate", spec.sgd().learning_rate(), 0, kMost);
      check->Below("sgd.momentum", spec.sgd().momentum(), 1);
      return;
    case proto::Optimizer::kRowwiseAdagrad:
      return CheckAdagrad("rowwise_adagrad", spec.rowwise_adagrad(), check);
    case proto::Optimizer::kAdam:
      return CheckAdam("adam", spec.adam(), check);
    case proto::Optimizer::kAmsgrad:
      return CheckAdam("amsgrad", spec.amsgrad(), check);
    case proto::Optimizer::kRmsprop:
      check->InRange("rmsprop.learning_rate", spec.rmsprop().learning_rate(), 0, kMost);
      check->Below("rmsprop.decay", spec.rmsprop().decay(), 1).Below("rmsprop.momentum", spec.rmsprop().momentum(), 1);
      check->InRange("rmsprop.epsilon", spec.rmsprop().epsilon(), 0, kMost);
      return;
    case proto::Optimizer::kLamb:
      CheckAdam("lamb", spec.lamb(), check);
      check->InRange("lamb.weight_decay", spec.lamb().weight_decay(), 0, kMost);
      return;
    case proto::Optimizer::kLars:
      check->InRange("lars.learning_rate", spec.lars().learning_rate(), 0, kMost);
      check->Below("lars.momentum", spec.lars().momentum(), 1);
      check->InRange("lars.trust", spec.lars().trust(), kLeast, kMost);
      check->InRange("lars.weight_decay", spec.lars().weight_decay(), 0, kMost);
      return;
    case proto::Optimizer::kFtrl:
      check->InRange("ftrl.alpha", spec.ftrl().alpha(), kLeast, kMost);
      check->InRange("ftrl.beta", spec.ftrl().beta(), 0, kMost);
      check->InRange("ftrl.lambda1", spec.ftrl().lambda1(), 0, kMost);
      check->InRange("ftrl.lambda2", spec.ftrl().lambda2(), 0, kMost);
      return;
    case proto::Optimizer::kMovingAverage:
      check->InRange("moving_average.momentum", spec.moving_average().momentum(), 0, 1);
      return;
    case proto::Optimizer::kAdagrad:
    case proto::Optimizer::KIND_NOT_SET:
      return CheckAdagrad("adagrad", spec.adagrad(), check);
  }
}

// What does not go together.
void CheckRules(const proto::Optimizer& spec, FieldCheck* check) {
  if (spec.has_ftrl()) {
    check->Refuse("l1", spec.l1(), "not with ftrl, whose own is lambda1");
    check->Refuse("l2", spec.l2(), "not with ftrl, whose own is lambda2");
    check->Refuse("weight_decay", spec.weight_decay(), "not with ftrl, whose own is lambda2");
  }
  if (spec.has_moving_average()) {
    constexpr const char* kWhy = "not with moving_average, which learns nothing";
    check->Refuse("l1", spec.l1(), kWhy).Refuse("l2", spec.l2(), kWhy);
    check->Refuse("weight_decay", spec.weight_decay(), kWhy).Refuse("clip_norm", spec.clip_norm(), kWhy);
  }
  if (spec.has_lamb()) check->Refuse("weight_decay", spec.weight_decay(), "not with lamb; set lamb.weight_decay");
  if (spec.has_lars()) check->Refuse("weight_decay", spec.weight_decay(), "not with lars; set lars.weight_decay");
  check->InRange("weight_decay: its product with the learning rate", LearningRate(spec) * spec.weight_decay(), 0, 1);
}

Status Check(const proto::Optimizer& spec, const std::string& where) {
  FieldCheck check(where);
  check.InRange("l1", spec.l1(), 0, kMost).InRange("l2", spec.l2(), 0, kMost);
  check.InRange("clip_norm", spec.clip_norm(), 0, kMost).InRange("weight_decay", spec.weight_decay(), 0, kMost);
  CheckKind(spec, &check);
  CheckRules(spec, &check);
  return check.status();
}

}  // namespace

void RowOptimizer::Update(const RowBatch& batch, float divisor, float rate_scale, AlignedBuffer<float>* scratch) const {
  if (divisor == 1 && rules_.empty()) return Apply(batch, rate_scale);
  const std::size_t step = std::max<std::size_t>(1, kScratchFloats / batch.dim);
  scratch->Resize(std::min(step, batch.rows.size()) * batch.dim);
  for (std::size_t first = 0; first < batch.rows.size(); first += step) {
    RowBatch part = batch;
    part.rows = batch.rows.subspan(first, std::min(step, batch.rows.size() - first));
    part.states = batch.states.subspan(first, part.rows.size());
    part.gradients = batch.gradients + first * batch.stride;
    PrepareGradients(part, divisor, rules_, scratch->data());
    part.gradients = scratch->data();
    part.stride = batch.dim;
    if (rules_.decay > 0) ScaleWeights(part, static_cast<float>(std::max(0.0, 1 - rules_.decay * rate_scale)));
    Apply(part, rate_scale);
  }
}

Result<std::unique_ptr<RowOptimizer>> MakeRowOptimizer(const proto::Optimizer& spec, const std::string& where) {
  RETURN_IF_ERROR(Check(spec, where));
  const GradientRules rules{.l1 = static_cast<float>(spec.l1()),
                            .l2 = static_cast<float>(spec.l2()),
                            .clip_norm = static_cast<float>(spec.clip_norm()),
                            .decay = LearningRate(spec) * spec.weight_decay()};
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
    case proto::Optimizer::kAmsgrad:
      return MakeAmsGrad(spec.amsgrad(), rules);
    case proto::Optimizer::kRmsprop:
      return MakeRmsProp(spec.rmsprop(), rules);
    case proto::Optimizer::kLamb:
      return MakeLamb(spec.lamb(), rules);
    case proto::Optimizer::kLars:
      return MakeLars(spec.lars(), rules);
    case proto::Optimizer::kAdagrad:
    case proto::Optimizer::KIND_NOT_SET:
      break;
  }
  return MakeAdagrad(spec.adagrad(), rules);
}

}  // namespace sherd
