#include <cmath>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "bench/bench_case.h"
#include "models/model.h"
#include "models/nn/gemm.h"

namespace sherd::bench {
namespace {

constexpr std::uint32_t kRows = 4096;
constexpr std::size_t kFields = 39, kNumbers = 13, kRowFloats = 17;
constexpr std::size_t kUnique = 30'000;
constexpr std::size_t kWidths[] = {kFields * 16 + kNumbers, 400, 400, 400, 1};

proto::Job MakeJob() {
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

// Forward, gradient of the weights, gradient of the input: the three products of each layer.
class Products {
 public:
  Products() {
    for (const std::size_t width : kWidths) {
      activations_.emplace_back(kRows * width);
      std::fill(activations_.back().begin(), activations_.back().end(), 0.01f);
    }
    for (std::size_t i = 0; i + 1 < std::size(kWidths); ++i) {
      weights_.emplace_back(kWidths[i] * kWidths[i + 1]);
      std::fill(weights_.back().begin(), weights_.back().end(), 0.01f);
      gradients_.emplace_back(kWidths[i] * kWidths[i + 1]);
    }
  }
  void Run() {
    using nn::Accumulate, nn::Transpose;
    for (std::size_t i = 0; i + 1 < std::size(kWidths); ++i) {
      const std::size_t in = kWidths[i], out = kWidths[i + 1];
      float *x = activations_[i].data(), *y = activations_[i + 1].data();
      nn::Gemm(Transpose::kNo, Transpose::kNo, kRows, out, in, x, in, weights_[i].data(), out, Accumulate::kNo, y, out);
      nn::Gemm(Transpose::kYes, Transpose::kNo, in, out, kRows, x, in, y, out, Accumulate::kNo, gradients_[i].data(),
               out);
      nn::Gemm(Transpose::kNo, Transpose::kYes, kRows, in, out, y, out, weights_[i].data(), out, Accumulate::kNo, x,
               in);
    }
  }

 private:
  std::vector<AlignedBuffer<float>> activations_, weights_, gradients_;
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

}  // namespace

Status TrainDeepFm(const Options& options, const Report& report) {
  const proto::Job job = MakeJob();
  ASSIGN_OR_RETURN(const auto model, MakeModel<float>(job, kRows));
  for (std::size_t i = 0; i < model->parameters().size(); ++i) {
    model->parameters()[i] = 0.1f * UnitFloat(Mix(i, 5)) - 0.05f;
  }
  const RandomBatch random;
  RETURN_IF_ERROR(CheckGradient(model.get(), random.batch));
  Products products;
  report(CompareInTurns(kRows, "rows/s",
                        [&] {
                          model->Forward(random.batch, Model<float>::Mode::kTrain);
                          model->Loss(random.batch);
                          model->Backward(random.batch);
                        },
                        {[&] { products.Run(); }}));
  return {};
}

}  // namespace sherd::bench
