#include <stdlib.h>

#include <cerrno>
#include <string>

#include "base/file.h"
#include "bench/bench_case.h"
#include "bench/click_log.h"
#include "bench/job_process.h"
#include "bench/tower_products.h"
#include "models/nn/gemm.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 1'000'000;
constexpr double kLeastAuc = 0.55;  // of a job that learns at all, on either log
constexpr char kFeatures[] = R"(
name: "bench"
train { batch_size: 4096 epochs: 1 }
feature { column: "I1..I13" bucket {} }
feature { column: "C1..C26" categorical {} }
)";
constexpr char kModel[] = R"(
  name: "deepfm"
  embedding_dim: 16
  tower { hidden: 400 hidden: 400 hidden: 400 }
  embedding_optimizer { adagrad { learning_rate: 0.02 } }
  dense_optimizer { adam { learning_rate: 0.001 } }
  embedding_initializer { kind: NORMAL scale: 0.01 }
)";

std::string JobText(const std::string& log, proto::Model::Precision precision, std::uint32_t workers) {
  std::string text = kFeatures;
  for (int i = 1; i <= 13; ++i) {
    const std::string column = "I" + std::to_string(i);
    text += "feature { name: \"" + column + "_number\" column: \"" + column +
            "\" number { transform: LOG scale: 0.25 } }\n";
  }
  return text + "model {" + kModel + "dense_precision: " + proto::Model::Precision_Name(precision) + " }\n" +
         "cluster { servers: 1 workers: " + std::to_string(workers) + " }\n" + "data { format: CRITEO_TSV train: \"" +
         log + "\" }\n";
}

Result<Figure> Measure(const std::string& folder, proto::Model::Precision precision, const Options& options) {
  std::string log = options.click_log;
  if (log.empty()) {
    log = folder + "/log.tsv";
    RETURN_IF_ERROR(WriteClickLog(log, options.rows_or(kRows)));
  }
  ProductsFloor floor(4096, {39 * 16 + 13, 400, 400, 400, 1}, options.threads);
  if (floor.empty()) return Status::NotFound("no library of matrix products can be loaded");
  for (int turn = 0; turn < kTurns; ++turn) floor.Measure();
  ASSIGN_OR_RETURN(const JobOutcome job, TrainJob(folder, JobText(log, precision, options.threads)));
  for (int turn = 0; turn < kTurns; ++turn) floor.Measure();
  if (job.auc < kLeastAuc) return Status::BadData("the job has learned nothing: AUC " + std::to_string(job.auc));
  const auto best = floor.best();
  const double wall = job.seconds / job.rows;
  return Figure{.value = 1 / wall,
                .unit = "rows/s",
                .floor = 1 / best.row.wall,
                .ratio = best.row.wall / wall,
                .part = {},
                .fields = {}}
      .With("floor_by", best.blas)
      .With("cpu_ratio", best.row.cpu * job.rows / job.cpu_seconds)
      .With("workers", options.threads)
      .With("transport", "inproc")
      .With("security", "NONE")
      .With("auc", job.auc);
}

Status Train(proto::Model::Precision precision, const Options& options, const Report& report) {
  std::string folder = "/tmp/sherd-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return Status::Io("make a folder", errno);
  const Result<Figure> figure = Measure(folder, precision, options);
  RETURN_IF_ERROR(RemoveTree(folder));
  if (figure.ok()) report(figure.value());
  return figure.status();
}

}  // namespace

Status TrainDeepFm(const Options& options, const Report& report) { return Train(proto::Model::FP32, options, report); }

Status TrainDeepFmBf16(const Options& options, const Report& report) {
  if (!nn::HasBf16Gemm()) return Skip("train.deepfm_bf16", "this processor has no AVX512_BF16"), Status();
  return Train(proto::Model::BF16, options, report);
}

}  // namespace sherd::bench
