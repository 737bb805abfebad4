#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "bench/bench_case.h"
#include "worker/data/dataset.h"

namespace sherd::bench {

// Training minibatches that were decoded before, of about train.batch_size rows each, as chunks deal them: reading one
// is copying it. A chunk is minibatches [begin, end), counted on and on: behind the last one comes the first again.
// Immutable.
class MemoryRows : public Dataset {
 public:
  // The first so many rows of a job's training files, in the order of its first epoch.
  static Result<std::unique_ptr<MemoryRows>> Load(const proto::Job& job, std::uint64_t rows);

  const Minibatch& minibatch(std::uint64_t i) const { return minibatches_[i % minibatches_.size()]; }
  std::uint64_t minibatches() const { return minibatches_.size(); }
  // Of a minibatch.
  double mean_rows() const { return rows_ / static_cast<double>(minibatches_.size()); }
  // The mean log loss of who knows no more than the share of positives.
  double BaseLoss() const;

  Result<proto::Statistics> ComputeStatistics() override { return proto::Statistics(); }
  void SetStatistics(proto::Statistics) override {}
  bool Has(proto::Chunk::Set set) const override { return set == proto::Chunk::TRAIN; }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set, std::uint32_t, std::uint32_t) override {
    return std::vector<proto::Chunk>();
  }
  Result<std::unique_ptr<ChunkReader>> Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                            std::uint32_t first_minibatch) override;
  std::uint32_t max_rows() const override { return max_rows_; }
  ReadCounts counts() const override { return {}; }
  Status CheckFirstRows(std::uint32_t) override { return {}; }
  std::string FileName(proto::Chunk::Set, std::uint32_t) const override { return "memory"; }

 private:
  std::vector<Minibatch> minibatches_;
  std::uint32_t max_rows_ = 0;
  double rows_ = 0;
};

// A job with its rows.
struct MemoryJob {
  proto::Job job;
  std::unique_ptr<MemoryRows> rows;
};

// The job of a text without a data part, on options.click_log or a log of our own (bench/click_log.h).
Result<MemoryJob> MakeClickJob(const Options& options, const std::string& text);
// … on pairs of the shape of MovieLens-1M, 6,040 users and 3,706 items, with 4 negatives each.
Result<MemoryJob> MakePairJob(const Options& options, const std::string& text);

}  // namespace sherd::bench
