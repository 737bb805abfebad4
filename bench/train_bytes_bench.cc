#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "bench/bench_case.h"
#include "bench/server_process.h"
#include "bench/wire_client.h"
#include "bench/wire_servers.h"
#include "models/metrics/auc.h"
#include "models/model.h"
#include "net/zmq_network.h"
#include "worker/trainer.h"

namespace sherd::bench {
namespace {

constexpr std::uint32_t kBatch = 4096;
constexpr std::uint32_t kFields = 39, kNumbers = 13;
constexpr std::uint64_t kTrainRows = 200 * kBatch, kTestRows = 50 * kBatch;

struct Way {
  const char* name;
  proto::Encoding encoding;
  std::uint32_t cache_clocks;
};
constexpr Way kWays[] = {{".FP32", proto::FP32, 0},
                         {".BF16", proto::BF16, 0},
                         {".INT8", proto::INT8, 0},
                         {".FP32.kept_4_clocks", proto::FP32, 4}};

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
  for (std::uint32_t i = 1; i <= kNumbers; ++i) {
    proto::Feature* number = job.add_feature();
    number->set_column("I" + std::to_string(i));
    number->set_name(number->column() + "_number");
    number->mutable_number()->set_transform(proto::Number::LOG);
  }
  proto::Model* model = job.mutable_model();
  model->set_name("deepfm");
  model->set_embedding_dim(16);
  for (int i = 0; i < 3; ++i) model->mutable_tower()->add_hidden(400);
  model->mutable_embedding_optimizer()->mutable_adagrad()->set_learning_rate(0.02);
  model->mutable_dense_optimizer()->mutable_adam()->set_learning_rate(0.001);
  return job;
}

// A click log with a planted truth, each row a function of its number: 39 ids, the small ones of a field far more often
// than the large, each with an effect of its own; numbers that say nothing.
void FillRow(std::uint64_t row, std::uint32_t at, Minibatch* minibatch) {
  double logit = -1;
  for (std::uint32_t field = 0; field < kFields; ++field) {
    const double ids = std::pow(10.0, 1 + 0.14 * field);
    const std::uint64_t id = static_cast<std::uint64_t>(std::pow(ids, UnitDouble(Mix(row, field))));
    const Key key = Mix(field, id, 3);
    logit += 0.6 * (UnitDouble(Mix(key, 4)) - 0.5);
    minibatch->tables[0].keys[at * kFields + field] = key;
  }
  for (std::uint32_t i = 0; i < kNumbers; ++i) {
    minibatch->numbers[at * kNumbers + i] = UnitFloat(Mix(row, 100 + i));
  }
  minibatch->labels[at] = UnitDouble(Mix(row, 5, 6)) < 1 / (1 + std::exp(-logit)) ? 1.0f : 0.0f;
  minibatch->row_ids[at] = row;
}

WorkPtr MakeMinibatch(proto::Task::Kind kind, std::uint64_t first, UniqueKeysMaker* unique) {
  auto task = std::make_shared<proto::Task>();
  task->set_kind(kind);
  auto work = std::make_shared<Work>();
  work->task = std::move(task);
  Minibatch& minibatch = work->minibatch;
  minibatch.rows = kBatch;
  minibatch.labels.resize(kBatch);
  minibatch.row_ids.resize(kBatch);
  minibatch.numbers.resize(kBatch * kNumbers);
  minibatch.tables.resize(1);
  minibatch.tables[0].keys.resize(kBatch * kFields);
  for (std::uint32_t i = 0; i < kBatch; ++i) FillRow(first + i, i, &minibatch);
  unique->Make(minibatch.tables[0].keys, &work->keys.emplace_back());
  return work;
}

struct Outcome {
  double wire_bytes = 0, value_bytes = 0;  // a row
  double auc = 0;
};

// One worker, one minibatch after the other: what is trained does not depend on the time that anything takes.
class ByteCountingRun {
 public:
  ByteCountingRun(const proto::Job* job, const proto::ModelSpec& spec, WireClient* client, std::uint64_t rows)
      : layout_(spec, 1),
        client_(client),
        rows_(rows),
        trainer_(job, &layout_, nullptr, [job](std::uint32_t most) { return MakeModel<float>(*job, most); }) {}

  Result<Outcome> Run(const Way& way) {
    Outcome outcome;
    for (std::uint64_t row = 0; row < rows_; row += kBatch) {
      const WorkPtr work = MakeMinibatch(proto::Task::TRAIN, row, &unique_);
      RETURN_IF_ERROR(client_->Run(Exchange::kPull, {work}, 1));
      RETURN_IF_ERROR(trainer_.Train(work.get()));
      RETURN_IF_ERROR(client_->Run(Exchange::kPushPulled, {work}, 1));
      const std::size_t pushed = work->keys[0].keys.size();
      const std::size_t pulled = way.cache_clocks == 0 ? pushed : work->missing[0].shard_begin.back();
      outcome.value_bytes += static_cast<double>((pulled + pushed) * layout_.row_codecs[0].bytes(way.encoding) +
                                                 2 * layout_.dense_codecs[0].bytes(way.encoding));
    }
    outcome.value_bytes /= static_cast<double>(rows_);
    outcome.wire_bytes = static_cast<double>(client_->bytes()) / static_cast<double>(rows_);
    ASSIGN_OR_RETURN(outcome.auc, Evaluate());
    return outcome;
  }

 private:
  Result<double> Evaluate() {
    std::vector<ScoredRow> scored;
    for (std::uint64_t row = rows_; row < rows_ + kTestRows; row += kBatch) {
      const WorkPtr work = MakeMinibatch(proto::Task::EVALUATE, row, &unique_);
      RETURN_IF_ERROR(client_->Run(Exchange::kPull, {work}, 1));
      RETURN_IF_ERROR(trainer_.Predict(work.get()));
      for (std::uint32_t i = 0; i < kBatch; ++i) {
        scored.push_back(ScoredRow::Of(work->scores[i], work->minibatch.labels[i] > 0.5f, 1));
      }
    }
    return ExactAuc(scored).Auc().value_or(0);
  }

  const ParameterLayout layout_;
  WireClient* const client_;
  const std::uint64_t rows_;
  Trainer trainer_;
  UniqueKeysMaker unique_{1};
};

}  // namespace

Status TrainBytes(const Options& options, const Report& report) {
  const proto::Job job = MakeJob();
  ASSIGN_OR_RETURN(const proto::ModelSpec spec, DescribeModel(job));
  std::vector<std::unique_ptr<ServerProcess>> servers;
  for (std::size_t i = 0; i < std::size(kWays); ++i) {
    ASSIGN_OR_RETURN(servers.emplace_back(), ServerProcess::Start([&](Network* network, std::unique_ptr<Mailbox> box) {
                       ServeShard(spec, network, std::move(box));
                     }));
  }
  ASSIGN_OR_RETURN(const auto network, ZmqNetwork::Create({.job = kBenchJob, .keys = {}}));
  const std::uint64_t rows = (options.rows_or(kTrainRows) + kBatch - 1) / kBatch * kBatch;
  Outcome fp32;
  for (std::size_t i = 0; i < std::size(kWays); ++i) {
    const Way& way = kWays[i];
    const WireClient::Options wire{.encoding = way.encoding, .cache = {.clocks = way.cache_clocks}};
    ASSIGN_OR_RETURN(const auto client, WireClient::Connect(network.get(), servers[i]->endpoint(), spec, wire));
    ASSIGN_OR_RETURN(const Outcome outcome, ByteCountingRun(&job, spec, client.get(), rows).Run(way));
    if (i == 0) fp32 = outcome;
    Figure figure{.value = outcome.wire_bytes,
                  .unit = "bytes/row",
                  .floor = fp32.wire_bytes,
                  .ratio = outcome.wire_bytes / fp32.wire_bytes,
                  .part = way.name};
    figure.With("value_bytes_a_row", outcome.value_bytes);
    figure.With("value_bytes_ratio", outcome.value_bytes / fp32.value_bytes);
    figure.With("auc", outcome.auc);
    figure.With("auc_less_fp32", outcome.auc - fp32.auc);
    report(figure);
  }
  return {};
}

}  // namespace sherd::bench
