#include "models/model.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "base/simd.h"
#include "models/feature_layout.h"
#include "models/model_builder.h"
#include "models/nn/gemm.h"
#include "models/nn/graph.h"
#include "models/nn/loss.h"
#include "models/registry.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMaxArenaBytes = std::uint64_t{1} << 36;
constexpr std::uint64_t kMaxParameters = std::uint64_t{1} << 31;

// What holds of any model's job, beyond the rules of single fields.
Status CheckJob(const proto::Job& job, const FeatureLayout& layout) {
  std::set<std::string> names;
  for (const proto::Table& table : job.table()) {
    if (layout.TableId(table.name()) < 0) {
      return Status::Invalid("table '" + table.name() + "': no feature of the job is in it");
    }
    if (!names.insert(table.name()).second)
      return Status::Invalid("table '" + table.name() + "': stands twice in the job");
    if (table.optimizer().has_moving_average()) {
      return Status::Invalid("table '" + table.name() + "': moving_average is for running statistics, not for weights");
    }
  }
  const proto::Model& model = job.model();
  constexpr std::array kOfUnitLength = {"two_tower", "lightgcn", "contrast"};
  if (model.tower().unit_length() && std::ranges::count(kOfUnitLength, model.name()) == 0) {
    return Status::Invalid("model.tower.unit_length: is for two_tower, lightgcn and contrast, and not for " +
                           model.name());
  }
  if (model.has_graph_convolution() && model.name() != "lightgcn") {
    return Status::Invalid("model.graph_convolution: is for lightgcn, and not for " + model.name());
  }
  if (model.has_bpr() && model.loss() != proto::Model::BPR) {
    return Status::Invalid("model.bpr: goes with loss BPR, and not with " + proto::Model::Loss_Name(model.loss()));
  }
  for (const auto& [loss, name] :
       {std::pair{proto::Model::Q_LEARNING, "dqn"}, std::pair{proto::Model::POLICY_GRADIENT, "reinforce"}}) {
    if (model.loss() == loss && model.name() != name) {
      return Status::Invalid("model.loss: " + proto::Model::Loss_Name(loss) + " is that of " + name + ", and not of " +
                             model.name());
    }
  }
  if (model.has_q_learning() && model.name() != "dqn") {
    return Status::Invalid("model.q_learning: is for dqn, and not for " + model.name());
  }
  if (model.has_policy_gradient() && model.name() != "reinforce") {
    return Status::Invalid("model.policy_gradient: is for reinforce, and not for " + model.name());
  }
  for (const auto& [name, optimizer] : {std::pair{"embedding_optimizer", &model.embedding_optimizer()},
                                        std::pair{"linear_optimizer", &model.linear_optimizer()},
                                        std::pair{"dense_optimizer", &model.dense_optimizer()}}) {
    if (optimizer->has_moving_average()) {
      return Status::Invalid(std::string("model.") + name +
                             ": moving_average is for running statistics, not for weights");
    }
  }
  return {};
}

// Declares the job's model on a graph; the logits.
template <typename T>
Result<nn::Activation<T>*> Declare(const proto::Job& job, const FeatureLayout& layout, nn::Graph<T>* graph) {
  RETURN_IF_ERROR(CheckJob(job, layout));
  ASSIGN_OR_RETURN(const BuildFunction<T> build, FindModel<T>(job.model().name()));
  ModelBuilder<T> builder(job, layout, graph);
  ASSIGN_OR_RETURN(nn::Activation<T>* const logits, build(&builder));
  RETURN_IF_ERROR(builder.RefuseUnused());
  if (job.data().user_item().has_bags() && logits->domain == nullptr) {
    return Status::Invalid("model.name: " + job.model().name() +
                           " predicts one value a row, and with data.user_item.bags each row has a list of targets; " +
                           "autorec predicts them");
  }
  if (job.data().user_item().has_sequences() && logits->domain == nullptr) {
    return Status::Invalid("model.name: " + job.model().name() +
                           " predicts one value a row, and with data.user_item.sequences each event has one; " +
                           "sasrec, gru4rec, lstm, seq2seq, caser and cdae predict them");
  }
  if (job.model().loss() == proto::Model::IN_BATCH_SOFTMAX && graph->loss_head() == nullptr) {
    return Status::Invalid("model.loss: IN_BATCH_SOFTMAX needs a model whose score is a dot product, as two_tower");
  }
  if (job.model().loss() == proto::Model::CROSS_ENTROPY && graph->loss_head() == nullptr) {
    return Status::Invalid("model.loss: CROSS_ENTROPY needs a model that tells classes apart, as cnn");
  }
  if (job.model().has_classes() && job.model().loss() != proto::Model::CROSS_ENTROPY) {
    return Status::Invalid("model.classes: goes with model.loss CROSS_ENTROPY");
  }
  std::uint64_t parameters = 0;
  for (const auto& tensor : graph->spec().tensor()) parameters += std::uint64_t{tensor.rows()} * tensor.cols();
  if (parameters > kMaxParameters) {
    return Status::Invalid("model.tower.hidden: " + std::to_string(parameters) + " weights are more than " +
                           std::to_string(kMaxParameters));
  }
  return logits;
}

// A declared graph as a Model.
template <typename T>
class GraphModel : public Model<T> {
 public:
  using Mode = typename Model<T>::Mode;

  GraphModel(const proto::Job& job, std::unique_ptr<nn::Graph<T>> graph, nn::Activation<T>* logits,
             std::uint32_t max_rows)
      : loss_kind_(job.model().loss()),
        negatives_(job.model().bpr().hardest() ? nn::Negatives::kHardest : nn::Negatives::kMean),
        seed_(job.train().seed()),
        graph_(std::move(graph)),
        logits_(logits) {
    graph_->Build(logits, max_rows);
  }

  const proto::ModelSpec& spec() const override { return graph_->spec(); }
  std::span<T> parameters() override { return graph_->parameters(); }
  std::span<T> gradients() override { return graph_->gradients(); }

  std::span<const T> Forward(const Batch<T>& batch, Mode mode) override {
    rows_ = batch.rows;
    loss_ = 0;
    graph_->Forward(StepOf(batch, mode));
    return {logits_->data, graph_->RowsOf(*logits_)};
  }

  ScoreFactors<T> Factors() const override {
    const auto& [user, item] = graph_->factors();
    if (user == nullptr) return {};
    return {user->values(rows_), item->values(rows_)};
  }

  double Loss(const Batch<T>& batch) override {
    CHECK_EQ(batch.rows, rows_) << "of another batch than the last Forward's";
    nn::Step<T> step = StepOf(batch, Mode::kTrain);
    if (auto* head = graph_->loss_head()) return loss_ = head->Loss(step);
    step.rows = graph_->RowsOf(*logits_);
    return loss_ = nn::Loss(loss_kind_, step, *logits_, negatives_);
  }

  void Backward(const Batch<T>& batch) override {
    CHECK_EQ(batch.rows, rows_) << "of another batch than the last Forward's";
    graph_->Backward(StepOf(batch, Mode::kTrain));
  }

  void BackwardOfScores(const Batch<T>& batch) override {
    CHECK_EQ(batch.rows, rows_) << "of another batch than the last Forward's";
    for (std::uint32_t r = 0; r < graph_->RowsOf(*logits_); ++r) logits_->gradient[r * logits_->stride] = 1;
    graph_->Backward(StepOf(batch, Mode::kEvaluate));
  }

  void SetMeter(CpuMeter* meter) override { meter_ = meter; }

  std::string FindNonFinite() const override {
    std::string layer = graph_->FindNonFinite();
    return layer.empty() && !std::isfinite(loss_) ? "loss" : layer;
  }

 private:
  nn::Step<T> StepOf(const Batch<T>& batch, Mode mode) const {
    CHECK_EQ(batch.tables.size(), static_cast<std::size_t>(spec().table_size()));
    return {.batch = &batch,
            .rows = batch.rows,
            .training = mode == Mode::kTrain,
            .seed = seed_,
            .kernels = &nn::Kernels<T>::Best(),
            .meter = meter_};
  }

  const proto::Model::Loss loss_kind_;
  const nn::Negatives negatives_;
  const std::uint64_t seed_;
  const std::unique_ptr<nn::Graph<T>> graph_;
  nn::Activation<T>* const logits_;
  CpuMeter* meter_ = nullptr;
  std::uint32_t rows_ = 0;
  double loss_ = 0;
};

}  // namespace

template <typename T>
Result<std::unique_ptr<Model<T>>> MakeModel(const proto::Job& job, std::uint32_t max_rows) {
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  auto graph = std::make_unique<nn::Graph<T>>();
  ASSIGN_OR_RETURN(nn::Activation<T>* const logits, Declare(job, layout, graph.get()));
  if (job.model().dense_precision() == proto::Model::BF16 && !nn::HasBf16Gemm()) {
    LOG_FIRST_N(WARNING, 1) << "model.dense_precision: no AVX512_BF16 by this processor and the job's SIMD target "
                            << CurrentSimd() << ", so BF16 products are FP32 here";
  }
  if (job.model().dense_precision() == proto::Model::BF16 && nn::HasBf16Gemm() && !nn::Bf16GemmPays()) {
    LOG_FIRST_N(WARNING, 1) << "model.dense_precision: BF16 is no faster than FP32 by this processor, or slower";
  }
  if (graph->ArenaBytes(max_rows) > kMaxArenaBytes) {
    return Status::Invalid("train.batch_size: the activations of " + std::to_string(max_rows) + " rows take " +
                           std::to_string(graph->ArenaBytes(max_rows) >> 30) + " GB, more than " +
                           std::to_string(kMaxArenaBytes >> 30));
  }
  return std::unique_ptr<Model<T>>(
      std::make_unique<GraphModel<T>>(job, std::move(graph), logits, std::max(max_rows, 1u)));
}

Result<proto::ModelSpec> DescribeModel(const proto::Job& job) {
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  nn::Graph<float> graph;
  const Result<nn::Activation<float>*> logits = Declare(job, layout, &graph);
  RETURN_IF_ERROR(logits.status());
  return graph.spec();
}

template Result<std::unique_ptr<Model<float>>> MakeModel(const proto::Job&, std::uint32_t);
template Result<std::unique_ptr<Model<double>>> MakeModel(const proto::Job&, std::uint32_t);

}  // namespace sherd
