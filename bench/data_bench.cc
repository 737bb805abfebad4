#include <sys/stat.h>
#include <time.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/bench_case.h"
#include "bench/click_log.h"
#include "bench/scalar_tsv.h"
#include "launch/temporary_dir.h"
#include "models/feature_layout.h"
#include "worker/data/dataset.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 500'000;
constexpr std::uint32_t kBatchRows = 4096;

proto::Job MakeJob(const std::string& file) {
  proto::Job job;
  job.set_name("bench");
  job.mutable_data()->set_format(proto::Data::CRITEO_TSV);
  job.mutable_data()->add_train(file);
  proto::Feature* buckets = job.add_feature();
  buckets->set_column("I1..I13");
  buckets->mutable_bucket();
  proto::Feature* tokens = job.add_feature();
  tokens->set_column("C1..C26");
  tokens->mutable_categorical();
  job.mutable_data()->set_in_memory_bytes(0);  // streamed, as files of real size are
  job.mutable_model()->set_name("fm");
  job.mutable_train()->set_batch_size(kBatchRows);
  return job;
}

struct Decoded {
  std::uint64_t rows = 0, key_sum = 0;
};

Result<Decoded> DecodeAll(Dataset* dataset, bool sum_keys) {
  Decoded decoded;
  Minibatch minibatch;
  ASSIGN_OR_RETURN(const std::vector<proto::Chunk> chunks, dataset->Chunks(proto::Chunk::TRAIN, 0, 1));
  for (const proto::Chunk& chunk : chunks) {
    ASSIGN_OR_RETURN(const auto reader, dataset->Read(chunk, 0, 0));
    while (true) {
      ASSIGN_OR_RETURN(const bool more, reader->Next(&minibatch));
      if (!more) break;
      decoded.rows += minibatch.rows;
      if (!sum_keys) continue;
      for (const Key key : minibatch.tables[0].keys) decoded.key_sum += key;
    }
  }
  return decoded;
}

// Of the calling thread: both sides work on it alone, and other programs' work is not theirs.
double CpuSeconds() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Result<Figure> Measure(const std::string& file) {
  struct stat info;
  if (::stat(file.c_str(), &info) != 0) return Status::Io("look at " + file, errno);
  const proto::Job job = MakeJob(file);
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  ASSIGN_OR_RETURN(const auto dataset, Dataset::Open(job, layout, {}));
  ScalarTsv scalar(kBatchRows);
  scalar.sum_keys = true;
  ASSIGN_OR_RETURN(const std::uint64_t rows, scalar.Decode(file));
  ASSIGN_OR_RETURN(const Decoded decoded, DecodeAll(dataset.get(), true));
  if (decoded.rows != rows || decoded.key_sum != scalar.key_sum()) return Status::BadData(file + ": decoded otherwise");
  scalar.sum_keys = false;
  std::vector<double> ours, floor;
  for (int turn = 0; turn < kTurns; ++turn) {
    const double begin = CpuSeconds();
    RETURN_IF_ERROR(DecodeAll(dataset.get(), false).status());
    const double between = CpuSeconds();
    RETURN_IF_ERROR(scalar.Decode(file).status());
    ours.push_back(between - begin);
    floor.push_back(CpuSeconds() - between);
  }
  Figure figure;
  const double megabytes = static_cast<double>(info.st_size) / 1e6;
  figure.value = megabytes / Median(ours);
  figure.unit = "MB/s";
  figure.floor = megabytes / Median(floor);
  figure.ratio = figure.value / figure.floor;
  return figure.With("rows_per_second", static_cast<double>(rows) / Median(ours));
}

}  // namespace

Status DataTsv(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDir> folder, TemporaryDir::Make());
  std::string file = options.click_log;
  if (file.empty()) RETURN_IF_ERROR(WriteClickLog(file = folder->path() + "/lines.tsv", kRows));
  ASSIGN_OR_RETURN(const Figure figure, Measure(file));
  report(figure);
  return {};
}

}  // namespace sherd::bench
