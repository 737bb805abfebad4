#include "bench/memory_rows.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>

#include "base/job_file.h"
#include "bench/click_log.h"
#include "bench/key_stream.h"
#include "launch/temporary_dir.h"
#include "models/feature_layout.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kClickRows = 1'000'000, kPairs = 400'000;
constexpr std::uint64_t kUsers = 6'040, kItems = 3'706;

class MemoryReader : public ChunkReader {
 public:
  MemoryReader(const MemoryRows* rows, proto::Chunk chunk, std::uint32_t epoch, std::uint32_t first)
      : rows_(rows), chunk_(std::move(chunk)), epoch_(epoch), index_(first) {}

  Result<bool> Next(Minibatch* minibatch) override {
    const std::uint64_t at = chunk_.begin() + index_;
    if (at >= chunk_.end()) return false;
    *minibatch = rows_->minibatch(at);
    minibatch->epoch = epoch_;
    minibatch->chunk = chunk_.id();
    minibatch->index = index_++;
    minibatch->last_of_chunk = at + 1 == chunk_.end();
    return true;
  }

 private:
  const MemoryRows* const rows_;
  const proto::Chunk chunk_;
  const std::uint32_t epoch_;
  std::uint32_t index_;
};

// Half of what a user sees is of the user's own tenth of the items, so that there is something to learn.
Status WritePairs(const std::string& path, std::uint64_t pairs) {
  const ZipfRanks ranks(kItems, 1.05);
  std::ofstream file(path);
  for (std::uint64_t i = 0; i < pairs; ++i) {
    const std::uint64_t user = Below(Mix(i, 1), kUsers), rank = ranks.At(Mix(i, 2)) - 1;
    const std::uint64_t item = Mix(i, 3) % 2 == 0 ? rank : (rank / 10 * 10 + user % 10) % kItems;
    file << user << '\t' << Below(Mix(item, 4), kItems) << '\n';
  }
  return file.flush() ? Status() : Status::Io("write " + path, errno);
}

// Reads the rows of a job on a file that `write` makes, which is gone afterwards.
Result<MemoryJob> LoadWritten(const std::string& text, const std::function<Status(const std::string&)>& write,
                              std::uint64_t rows) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDir> folder, TemporaryDir::Make());
  const std::string file = folder->path() + "/rows";
  RETURN_IF_ERROR(write(file));
  MemoryJob made;
  ASSIGN_OR_RETURN(made.job, ParseJob(text, "bench"));
  made.job.mutable_data()->add_train(file);
  ASSIGN_OR_RETURN(made.rows, MemoryRows::Load(made.job, rows));
  return made;
}

}  // namespace

Result<std::unique_ptr<MemoryRows>> MemoryRows::Load(const proto::Job& job, std::uint64_t rows) {
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> source, Dataset::Open(job, layout, {}));
  source->SetStatistics({});
  ASSIGN_OR_RETURN(const std::vector<proto::Chunk> chunks, source->Chunks(proto::Chunk::TRAIN, 0, 1));
  auto loaded = std::make_unique<MemoryRows>();
  const std::uint64_t most = std::max<std::uint64_t>(1, rows / job.train().batch_size());
  for (const proto::Chunk& chunk : chunks) {
    ASSIGN_OR_RETURN(const std::unique_ptr<ChunkReader> reader, source->Read(chunk, 0, 0));
    while (loaded->minibatches_.size() < most) {
      Minibatch minibatch;
      ASSIGN_OR_RETURN(const bool more, reader->Next(&minibatch));
      if (!more) break;
      if (minibatch.rows < 0.9 * job.train().batch_size()) continue;
      loaded->max_rows_ = std::max(loaded->max_rows_, minibatch.rows);
      loaded->rows_ += minibatch.rows;
      loaded->minibatches_.push_back(std::move(minibatch));
    }
  }
  if (loaded->minibatches_.empty()) return Status::Invalid("fewer rows than one minibatch has");
  return loaded;
}

double MemoryRows::BaseLoss() const {
  double positive = 0;
  for (const Minibatch& minibatch : minibatches_) {
    positive += std::accumulate(minibatch.labels.begin(), minibatch.labels.end(), 0.0);
  }
  const double p = positive / rows_;
  return -p * std::log(p) - (1 - p) * std::log(1 - p);
}

Result<std::unique_ptr<ChunkReader>> MemoryRows::Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                      std::uint32_t first_minibatch) {
  return std::unique_ptr<ChunkReader>(std::make_unique<MemoryReader>(this, chunk, epoch, first_minibatch));
}

Result<MemoryJob> MakeClickJob(const Options& options, const std::string& text) {
  const std::string full = text + "\ndata { format: CRITEO_TSV }\n";
  const std::uint64_t rows = options.rows_or(kClickRows);
  if (options.click_log.empty()) {
    return LoadWritten(
        full, [&](const std::string& path) { return WriteClickLog(path, rows); }, rows);
  }
  MemoryJob made;
  ASSIGN_OR_RETURN(made.job, ParseJob(full, "bench"));
  made.job.mutable_data()->add_train(options.click_log);
  ASSIGN_OR_RETURN(made.rows, MemoryRows::Load(made.job, rows));
  return made;
}

Result<MemoryJob> MakePairJob(const Options& options, const std::string& text) {
  const std::uint64_t pairs = options.rows_or(kPairs);
  return LoadWritten(
      text + "\ndata { format: USER_ITEM user_item { negatives: 4 } }\n",
      [&](const std::string& path) { return WritePairs(path, pairs); }, 5 * pairs);
}

}  // namespace sherd::bench
