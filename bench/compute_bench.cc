#include <cmath>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "bench/bench_case.h"
#include "bench/tower_products.h"
#include "models/model.h"
#include "models/nn/gemm.h"

namespace sherd::bench {
namespace {

constexpr std::uint32_t kRows = 4096;
constexpr std::size_t kFields = 39, kNumbers = 13, kRowFloats = 17;
constexpr std::size_t kUnique = 30'000;
const std::vector<std::size_t> kWidths = {kFields * 16 + kNumbers, 400, 400, 400, 1};
constexpr int kSteps = 2;  // of a thread in a turn

proto::Job MakeJob(proto::Model::Precision precision) {
  proto::Job job;
  job.set_name("bench");
  job.mutable_data()->set_format(proto::Data::CRITEO_TSV);
  proto::Feature* buckets = job.add_feature();
  buckets->set_column("I1..I13");
  buckets->mutable_bucket();
  proto::Feature* tokens = job.add_feature();
  tokens->set_column("C1..C26");
  tokens->mutable_categorical();
  for (std::size_t i = 1; i <= kNumbers; ++i) {
    proto::Feature* number = job.add_feature();
    number->set_column("I" + std::to_string(i));
    number->set_name(number->column() + "_number");
    number->mutable_number()->set_transform(proto::Number::LOG);
  }
  job.mutable_model()->set_name("deepfm");
  job.mutable_model()->set_embedding_dim(16);
  for (int i = 0; i < 3; ++i) job.mutable_model()->mutable_tower()->add_hidden(400);
  job.mutable_model()->set_dense_precision(precision);
  return job;
}

// A minibatch of random numbers and ids, and the memory it refers to.
struct RandomBatch {
  std::vector<float> labels, numbers, rows, gradients;
  std::vector<std::uint64_t> row_ids;
  std::vector<std::uint32_t> unique;
  std::vector<const float*> values;
  std::vector<float*> sums;
  Batch<float> batch;

  RandomBatch() : rows(kUnique * kRowFloats), gradients(rows.size()) {
    for (std::uint32_t i = 0; i < kRows; ++i) labels.push_back(Mix(i, 1) % 4 == 0 ? 1 : 0);
    for (std::size_t i = 0; i < kRows * kNumbers; ++i) numbers.push_back(UnitFloat(Mix(i, 2)));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = 0.02f * UnitFloat(Mix(i, 3)) - 0.01f;
    for (std::uint32_t i = 0; i < kRows; ++i) row_ids.push_back(i);
    for (std::size_t i = 0; i < kRows * kFields; ++i) {
      unique.push_back(static_cast<std::uint32_t>(Below(Mix(i, 4), kUnique)));
    }
    for (std::size_t i = 0; i < kUnique; ++i) {
      values.push_back(&rows[i * kRowFloats]);
      sums.push_back(&gradients[i * kRowFloats]);
    }
    batch = {.rows = kRows,
             .labels = labels,
             .weights = {},
             .numbers = numbers,
             .row_ids = row_ids,
             .epoch = 0,
             .tables = {}};
    batch.tables.push_back({.unique = unique, .offset = {}, .weight = {}, .values = values, .gradients = sums});
  }
};

// A model that learns nothing would be fast: the loss must fall along the gradient.
Status CheckGradient(Model<float>* model, const Batch<float>& batch) {
  model->Forward(batch, Model<float>::Mode::kTrain);
  const double before = model->Loss(batch);
  model->Backward(batch);
  for (std::size_t i = 0; i < model->parameters().size(); ++i) {
    model->parameters()[i] -= 1e-2f * model->gradients()[i] / kRows;
  }
  model->Forward(batch, Model<float>::Mode::kTrain);
  const double after = model->Loss(batch);
  if (std::isfinite(after) && after < before) return {};
  return Status::BadData("the loss does not fall along its gradient");
}

struct Trainee {
  std::unique_ptr<Model<float>> model;
  RandomBatch random;

  void Run() {
    for (int step = 0; step < kSteps; ++step) {
      model->Forward(random.batch, Model<float>::Mode::kTrain);
      model->Loss(random.batch);
      model->Backward(random.batch);
    }
  }
};

Result<std::unique_ptr<Trainee>> MakeTrainee(proto::Model::Precision precision) {
  auto trainee = std::make_unique<Trainee>();
  ASSIGN_OR_RETURN(trainee->model, MakeModel<float>(MakeJob(precision), kRows));
  for (std::size_t i = 0; i < trainee->model->parameters().size(); ++i) {
    trainee->model->parameters()[i] = 0.1f * UnitFloat(Mix(i, 5)) - 0.05f;
  }
  RETURN_IF_ERROR(CheckGradient(trainee->model.get(), trainee->random.batch));
  return trainee;
}

Status Compute(proto::Model::Precision precision, const Options& options, const Report& report) {
  std::vector<std::unique_ptr<Trainee>> trainees;
  for (std::uint32_t i = 0; i < options.threads; ++i) {
    ASSIGN_OR_RETURN(trainees.emplace_back(), MakeTrainee(precision));
  }
  std::vector<std::function<void()>> works;
  for (auto& trainee : trainees) works.emplace_back([&trainee] { trainee->Run(); });
  ProductsFloor floor(kRows, kWidths, options.threads);
  if (floor.empty()) return Status::NotFound("no library of matrix products can be loaded");
  std::vector<double> wall, cpu;
  const double rows = kRows * static_cast<double>(kSteps * options.threads);
  for (int turn = 0; turn < kTurns; ++turn) {
    const Cost cost = RunSideBySide(works);
    wall.push_back(cost.wall / rows);
    cpu.push_back(cost.cpu / rows);
    floor.Measure();
  }
  const auto best = floor.best();
  report(Figure{.value = 1 / Median(wall),
                .unit = "rows/s",
                .floor = 1 / best.row.wall,
                .ratio = best.row.cpu / Median(cpu),
                .part = {},
                .fields = {}}
             .With("floor_by", best.blas)
             .With("threads", options.threads)
             .With("wall_ratio", best.row.wall / Median(wall)));
  return {};
}

}  // namespace

Status TrainCompute(const Options& options, const Report& report) {
  return Compute(proto::Model::FP32, options, report);
}

Status TrainComputeBf16(const Options& options, const Report& report) {
  if (!nn::HasBf16Gemm()) return Skip("train.compute_bf16", "this processor has no AVX512_BF16"), Status();
  return Compute(proto::Model::BF16, options, report);
}

}  // namespace sherd::bench
