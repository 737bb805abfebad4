#include <cstdint>
#include <string>

#include "base/simd.h"
#include "bench/bench_case.h"
#include "bench/memory_rows.h"
#include "bench/tower_products.h"
#include "bench/train_jobs.h"
#include "bench/training_turns.h"
#include "models/nn/gemm.h"

namespace sherd::bench {
namespace {

Status Train(proto::Model::Precision precision, const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(MemoryJob made, MakeClickJob(options, DeepFmJob()));
  made.job.mutable_model()->set_dense_precision(precision);
  RETURN_IF_ERROR(UseSimd(BestSimd()));
  (void)nn::GemmInstructions();  // oneDNN takes the job's limit before its first product, or not at all
  ProductsFloor products(4096, {39 * 16 + 13, 400, 400, 400, 1}, options.threads);
  if (products.empty()) return Status::NotFound("no library of matrix products can be loaded");
  TrainingTurns turns(&made, options);
  RETURN_IF_ERROR(turns.Run([&](std::uint64_t minibatches) {
    products.Measure();
    return products.best().row.wall * static_cast<double>(minibatches * options.threads) * made.rows->mean_rows();
  }));
  const auto best = products.best();
  Figure figure = turns.figure();
  figure.floor = 1 / best.row.wall;
  figure.ratio = figure.value / figure.floor;
  report(figure.With("floor_by", best.blas).With("cpu_ratio", best.row.cpu / turns.cpu_seconds_a_row()));
  return {};
}

}  // namespace

Status TrainDeepFm(const Options& options, const Report& report) { return Train(proto::Model::FP32, options, report); }

Status TrainDeepFmBf16(const Options& options, const Report& report) {
  if (!nn::HasBf16Gemm()) return Skip("train.deepfm_bf16", "this processor has no AVX512_BF16"), Status();
  return Train(proto::Model::BF16, options, report);
}

}  // namespace sherd::bench
