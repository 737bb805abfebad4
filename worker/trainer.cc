#include "worker/trainer.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

namespace sherd {
namespace {

void CopyRows(const nn::Matrix<float>& from, std::vector<float>* to) {
  CHECK(from.data != nullptr) << "a model whose score is no dot product has no vectors";
  to->resize(std::size_t{from.rows} * from.cols);
  for (std::uint32_t row = 0; row < from.rows; ++row) {
    std::copy_n(from.data + row * from.stride, from.cols, to->data() + std::size_t{row} * from.cols);
  }
}

// Nobody else can make this noise again, unless the job says by what.
std::uint64_t NoiseSeed(const proto::DifferentialPrivacy& dp) {
  if (dp.has_noise_seed()) return dp.noise_seed();
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

Trainer::Trainer(const proto::Job* job, const ParameterLayout* layout, const Dataset* dataset, MakeModel make_model)
    : job_(job), layout_(layout), dataset_(dataset), make_model_(std::move(make_model)) {
  if (job->train().has_dp()) private_.emplace(&job->train().dp(), NoiseSeed(job->train().dp()));
}

Status Trainer::Prepare(std::uint32_t max_rows) {
  if (model_ != nullptr && max_rows <= max_rows_) return {};
  ASSIGN_OR_RETURN(model_, make_model_(max_rows));
  max_rows_ = max_rows;
  return {};
}

Status Trainer::Bind(Work* work) {
  const Minibatch& minibatch = work->minibatch;
  RETURN_IF_ERROR(Prepare(minibatch.rows));
  batch_.rows = minibatch.rows;
  batch_.labels = minibatch.labels;
  batch_.weights = minibatch.weights;
  batch_.numbers = minibatch.numbers;
  batch_.row_ids = minibatch.row_ids;
  batch_.epoch = minibatch.epoch;
  batch_.group_rows = minibatch.group_rows;
  batch_.items = minibatch.candidates;
  batch_.log_shares = minibatch.log_shares;
  batch_.neighbourhood = &minibatch.neighbourhood;
  batch_.tables.resize(work->keys.size());
  pointers_.resize(work->keys.size());
  work->gradients.resize(work->keys.size());
  frames_taken_.assign(layout_->shards, 0);
  for (std::uint32_t table = 0; table < work->keys.size(); ++table) BindTable(table, work);
  CopyDenseBlocks(*work);
  return {};
}

void Trainer::BindTable(std::uint32_t table, Work* work) {
  const UniqueKeys& unique = work->keys[table];
  const std::size_t floats = layout_->row_floats[table];
  Pointers& pointers = pointers_[table];
  pointers.values.resize(unique.keys.size());
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    const std::uint32_t begin = unique.shard_begin[shard], end = unique.shard_begin[shard + 1];
    if (begin == end) continue;
    const float* row = work->values[shard][frames_taken_[shard]++].As<float>().data();
    for (std::uint32_t i = begin; i < end; ++i, row += floats) pointers.values[i] = row;
  }
  pointers.gradients.clear();
  if (work->is(proto::Task::TRAIN)) {
    AlignedBuffer<float>& gradients = work->gradients[table];
    gradients.Resize(unique.keys.size() * floats);
    for (std::size_t i = 0; i < unique.keys.size(); ++i) pointers.gradients.push_back(gradients.data() + i * floats);
  }
  const TableKeys& occurrences = work->minibatch.tables[table];
  batch_.tables[table] = {.unique = unique.inverse.span(),
                          .offset = occurrences.offsets,
                          .weight = occurrences.weights,
                          .values = pointers.values,
                          .gradients = pointers.gradients};
}

void Trainer::CopyDenseBlocks(const Work& work) {
  const std::span<float> parameters = model_->parameters();
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    if (layout_->dense_floats[shard] == 0) continue;
    const float* from = work.dense_values[shard].As<float>().data();
    for (std::uint32_t block : layout_->blocks[shard]) {
      const DenseBlock& place = layout_->dense.blocks()[block];
      std::memcpy(parameters.data() + place.offset, from, place.length * sizeof(float));
      from += place.length;
    }
  }
}

void Trainer::TakeDenseGradients(Work* work) {
  const std::span<const float> gradients = model_->gradients();
  work->dense_gradients.resize(layout_->shards);
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    work->dense_gradients[shard].Resize(layout_->dense_floats[shard]);
    float* to = work->dense_gradients[shard].data();
    for (std::uint32_t block : layout_->blocks[shard]) {
      const DenseBlock& place = layout_->dense.blocks()[block];
      std::memcpy(to, gradients.data() + place.offset, place.length * sizeof(float));
      to += place.length;
    }
  }
}

void Trainer::SumErrors(std::span<const float> predictions, Work* work) const {
  work->absolute_error_sum = 0;
  const Minibatch& minibatch = work->minibatch;
  for (std::uint32_t row = 0; row < minibatch.examples(); ++row) {
    const double weight = minibatch.weights.empty() ? 1 : minibatch.weights[row];
    work->absolute_error_sum += weight * std::fabs(predictions[row] - minibatch.labels[row]);
  }
}

void Trainer::CountLogits(std::span<const float> logits, Work* work) const {
  work->positive.fill(0);
  work->negative.fill(0);
  if (job_->model().loss() == proto::Model::SQUARED_ERROR) return SumErrors(logits, work);
  constexpr std::array kNoLogits = {proto::Model::CROSS_ENTROPY, proto::Model::Q_LEARNING,
                                    proto::Model::POLICY_GRADIENT};
  if (std::ranges::count(kNoLogits, job_->model().loss()) > 0) return;  // these are classes, or what is to come
  constexpr float kBinsAUnit = kLogitBins / 16.0f;
  for (std::uint32_t row = 0; row < work->minibatch.examples(); ++row) {
    const float place = (std::clamp(logits[row], -8.0f, 8.0f) + 8) * kBinsAUnit;
    const std::size_t bin = std::min<std::size_t>(static_cast<std::size_t>(place), kLogitBins - 1);
    ++(work->minibatch.labels[row] > 0.5f ? work->positive : work->negative)[bin];
  }
}

Status Trainer::Train(Work* work) {
  RETURN_IF_ERROR(Bind(work));
  const std::span<const float> logits = model_->Forward(batch_, Model<float>::Mode::kTrain);
  work->loss_sum = model_->Loss(batch_);
  if (!std::isfinite(work->loss_sum)) return NotFinite("the loss is " + std::to_string(work->loss_sum), *work);
  CountLogits(logits, work);
  if (private_) {
    SumPrivately(*work);
  } else {
    model_->Backward(batch_);
  }
  TakeDenseGradients(work);
  work->LetGoOfValues();
  return {};
}

void Trainer::SumPrivately(const Work& work) {
  private_keys_.clear();
  for (std::size_t t = 0; t < work.keys.size(); ++t) {
    private_keys_.push_back({.unique = work.keys[t].keys.span(), .row_floats = layout_->row_floats[t]});
  }
  const Minibatch& minibatch = work.minibatch;
  private_->Sum(batch_, private_keys_, Mix(minibatch.epoch, minibatch.chunk, minibatch.index), model_.get());
}

void Trainer::Score(Work* work) {
  const std::span<const float> logits = model_->Forward(batch_, Model<float>::Mode::kEvaluate);
  const RankingPart::Kind kind = work->minibatch.ranking.kind;
  if (kind == RankingPart::Kind::kItems || kind == RankingPart::Kind::kAlike) {
    CopyRows(model_->Factors().item, &work->scores);
  } else if (kind == RankingPart::Kind::kUsers) {
    CopyRows(model_->Factors().user, &work->scores);
  } else {
    work->scores.assign(logits.begin(), logits.begin() + work->minibatch.examples());
  }
}

Status Trainer::Explain(Work* work) {
  if (!explainer_) {
    ASSIGN_OR_RETURN(FeatureLayout layout, FeatureLayout::Make(*job_));
    explainer_.emplace(std::move(layout));
  }
  explainer_->Explain(batch_, model_.get(), &work->scores, &work->share_counts);
  return {};
}

Status Trainer::Predict(Work* work) {
  RETURN_IF_ERROR(Bind(work));
  if (work->minibatch.ranking.kind == RankingPart::Kind::kListed) {
    RETURN_IF_ERROR(Explain(work));
  } else {
    Score(work);
  }
  for (float logit : work->scores) {
    if (!std::isfinite(logit)) return NotFinite("a prediction is " + std::to_string(logit), *work);
  }
  work->LetGoOfValues();
  return {};
}

Status Trainer::NotFinite(const std::string& what, const Work& work) const {
  const Minibatch& minibatch = work.minibatch;
  const std::string part = model_->FindNonFinite();
  return Status::BadData(what + " at rows " + std::to_string(minibatch.first_source) + " to " +
                         std::to_string(minibatch.last_source) + " of " +
                         dataset_->FileName(work.task->chunk().set(), minibatch.file) + " (epoch " +
                         std::to_string(minibatch.epoch + 1) + ", chunk " + std::to_string(minibatch.chunk) +
                         ", minibatch " + std::to_string(minibatch.index) + "); " +
                         (part.empty() ? "no layer's output holds a NaN or Inf, so labels or row weights do"
                                       : "the first part of the model that is not finite is " + part));
}

}  // namespace sherd
