#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker/data/bad_row_log.h"
#include "worker/data/chunk_cutter.h"
#include "worker/data/dataset.h"
#include "worker/data/epoch_order.h"
#include "worker/data/followed_files.h"
#include "worker/data/row_file.h"
#include "worker/data/row_file_chunk_reader.h"
#include "worker/data/row_sets.h"
#include "worker/data/schema.h"
#include "worker/data/statistics.h"
#include "worker/data/token_numbers.h"

namespace sherd {

// The sets of row files (docs/row_file.md). As with text, files are taken into memory in their order, as long as all of
// a set together, with the places of their rows, have no more than data.in_memory_bytes; of the others a chunk is some
// blocks. Rows are named by their numbers in their files. Everything but SetStatistics is thread-safe.
class RowFileDataset : public Dataset {
 public:
  static Result<std::unique_ptr<Dataset>> Open(const proto::Job& job, const FeatureLayout& layout, Options options);

  Result<proto::Statistics> ComputeStatistics() override;
  void SetStatistics(proto::Statistics statistics) override {
    vocabularies_ = Vocabularies::Make(layout_, statistics);
    statistics_ = std::move(statistics);
  }
  bool Has(proto::Chunk::Set set) const override { return !FilesOf(set).files.empty(); }
  Result<std::vector<proto::Chunk>> Chunks(proto::Chunk::Set set, std::uint32_t epoch, std::uint32_t workers) override;
  Result<std::vector<proto::Chunk>> ChunksOfNewFile(const std::string& path, std::uint32_t file,
                                                    std::uint32_t workers) override;
  Result<std::unique_ptr<ChunkReader>> Read(const proto::Chunk& chunk, std::uint32_t epoch,
                                            std::uint32_t first_minibatch) override;
  std::uint32_t max_rows() const override { return job_.train().batch_size(); }
  ReadCounts counts() const override { return log_.counts(); }
  Status CheckFirstRows(std::uint32_t rows) override;
  std::string FileName(proto::Chunk::Set set, std::uint32_t file) const override;

 private:
  static constexpr int kSets = 3;

  // What a file in memory has: all its blocks, and the rows for the set itself and for evaluation out of a training
  // file.
  struct Loaded {
    std::shared_ptr<RowWindow> window;
    SplitOrders orders;
  };
  struct Files {
    std::vector<std::unique_ptr<RowFile>> files;
    std::vector<bool> in_memory;
    std::mutex mutex;
    std::vector<std::shared_ptr<Loaded>> loaded;  // by file; null: not yet, or streamed
  };

  // One that has come while the job ran. Its columns need not be those of others, as long as the features find theirs.
  struct FollowedFile {
    std::unique_ptr<RowFile> rows;
    Schema schema;

    const std::string& path() const { return rows->path(); }
  };

  RowFileDataset(const proto::Job& job, const FeatureLayout& layout, Options options)
      : job_(job), layout_(layout), options_(options), row_sets_(job, options.predict) {}

  Status OpenSet(proto::Chunk::Set set, const google::protobuf::RepeatedPtrField<std::string>& patterns);
  Result<std::unique_ptr<FollowedFile>> OpenFollowed(const std::string& path) const;
  Status CheckSameSchema(const RowFile& file) const;
  Status FindGoodRow(const RowFile& file) const;
  const Files& FilesOf(proto::Chunk::Set set) const { return sets_[row_sets_.FilesOf(set)]; }
  Files& FilesOf(proto::Chunk::Set set) { return sets_[row_sets_.FilesOf(set)]; }
  std::uint64_t RowsInMemory(proto::Chunk::Set set, std::uint32_t file) const;
  void CutBlocks(const RowFile& file, std::uint32_t index, std::uint64_t rows_a_chunk, ChunkCutter* cutter) const;

  ColumnEncoder::Options EncoderOptions(proto::Chunk::Set set, const Schema& schema) const;
  Result<ColumnEncoder> MakeEncoder(proto::Chunk::Set set, const RowFile& file, const Schema& schema) const;
  Result<ColumnEncoder> MakeEncoder(proto::Chunk::Set set, const RowFile& file) const {
    return MakeEncoder(set, file, schema_);
  }
  Result<std::shared_ptr<Loaded>> Load(proto::Chunk::Set set, std::uint32_t file);
  Status CheckChunk(const proto::Chunk& chunk) const;
  RowFileChunkReader::Options ReaderOptions(const proto::Chunk& chunk, std::uint32_t epoch,
                                            std::uint32_t first_minibatch) const;
  // The blocks of a streamed chunk.
  Result<std::shared_ptr<RowWindow>> ReadWindow(const RowFile& file, const ColumnEncoder& encoder,
                                                const proto::Chunk& chunk);
  Result<std::unique_ptr<ChunkReader>> ReadFollowed(const proto::Chunk& chunk, RowFileChunkReader::Options options);
  Status AddStatistics(std::uint32_t file, StatisticsCollector* collector) const;
  Status CheckFile(proto::Chunk::Set set, std::uint32_t file, std::uint32_t* rows);

  const proto::Job& job_;
  const FeatureLayout& layout_;
  const Options options_;
  const RowSets row_sets_;
  Schema schema_;
  proto::Statistics statistics_;
  std::shared_ptr<const Vocabularies> vocabularies_;  // of the statistics
  std::array<Files, kSets> sets_;
  RowWindows windows_;
  FollowedFiles<FollowedFile> followed_;
  BadRowLog log_;
};

}  // namespace sherd
