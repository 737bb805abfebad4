#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "proto/job.pb.h"
#include "proto/wire.pb.h"
#include "worker/data/minibatch.h"

namespace sherd {

// What was read so far: all rows, bad rows, and the first place of each kind of badness.
struct ReadCounts {
  std::uint64_t rows = 0;
  std::uint64_t bad_rows = 0;
  std::vector<proto::BadRow> kinds;
};

// Reads the minibatches of one chunk, in order. Confined to one thread; must not outlive its dataset.
class ChunkReader {
 public:
  virtual ~ChunkReader() = default;
  // Fills `minibatch`; false at the end of the chunk. Bad rows are left out and counted. Predicting, a chunk without a
  // good row is one minibatch with rows = 0, whose source_rows_read tells how many bad ones there were.
  virtual Result<bool> Next(Minibatch* minibatch) = 0;
};

// The input files of a job and the way from their bytes to minibatches. Files are found and opened when it is made:
// missing, empty and unreadable ones are errors then. Thread-compatible; readers of one dataset may run on different
// threads.
class Dataset {
 public:
  struct Options {
    std::uint32_t max_chunk_minibatches = 64;
    bool predict = false;  // rows need no label; source_rows are kept; nothing is shuffled or sampled
  };

  virtual ~Dataset() = default;

  // Of `job`, which must stay alive with `layout`. Only the sets that are asked for are opened.
  static Result<std::unique_ptr<Dataset>> Open(const proto::Job& job, const FeatureLayout& layout, Options options);

  // Statistics of the training rows that the features need (none: an empty message), by one pass over the files.
  virtual Result<proto::Statistics> ComputeStatistics() = 0;
  // What readers standardise and bucket by; before the first Read.
  virtual void SetStatistics(proto::Statistics statistics) = 0;

  // Has the set any rows to offer: by files, eval_fraction or leave_one_out?
  virtual bool Has(proto::Chunk::Set set) const = 0;
  // The chunks of a set in dealing order, for so many workers. Training: permuted by (seed, epoch). Evaluation: in file
  // order.
  virtual Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set set, std::uint32_t epoch,
                                                   std::uint32_t workers) = 0;

  // Those of a file that has come since the dataset was made, in file order; ids are the caller's to give. `file` is a
  // number that no other file has. They name the file, so that each worker's dataset can read them. None: it is empty.
  virtual Result<std::vector<proto::Chunk>> ChunksOfNewFile(const std::string& path, std::uint32_t file,
                                                            std::uint32_t workers) {
    return Status::Invalid("data.follow: this format can not be followed");
  }

  // Minibatches of a chunk from `first_minibatch` on (the ones before are skipped, and are the same as ever).
  virtual Result<std::unique_ptr<ChunkReader>> Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                                    std::uint32_t first_minibatch) = 0;

  // The most rows that any minibatch can have: train.batch_size for plain rows; candidate lists stand whole in a
  // minibatch and are read max(train.batch_size, 2048, longest list) rows at a time. What a model must be built for.
  virtual std::uint32_t max_rows() const = 0;

  virtual ReadCounts counts() const = 0;  // thread-safe
  // The first `rows` rows of each set are decoded and thrown away: what `sherd check` does.
  virtual Status CheckFirstRows(std::uint32_t rows) = 0;
  virtual std::string FileName(proto::Chunk::Set set, std::uint32_t file) const = 0;
};

}  // namespace sherd
