#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker/data/bad_row_log.h"
#include "worker/data/dataset.h"
#include "worker/data/epoch_order.h"
#include "worker/data/followed_files.h"
#include "worker/data/row_parser.h"
#include "worker/data/row_sets.h"
#include "worker/data/row_stream.h"
#include "worker/data/schema.h"
#include "worker/data/statistics.h"
#include "worker/data/text_file.h"
#include "worker/data/token_numbers.h"

namespace sherd {

// The sets of the formats that have one labelled row a line. Files are taken into memory in their order, as long as all
// of a set together, with the places of their rows, have no more than data.in_memory_bytes; the others are streamed.
// Everything but SetStatistics is thread-safe.
class TextDataset : public Dataset {
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
  static constexpr std::uint64_t kMaxBlockBytes = 64 << 20;

  struct Files {
    std::vector<std::unique_ptr<TextFile>> files;
    std::mutex mutex;
    bool loaded = false;
    std::vector<SplitOrders> orders;  // by file; of streamed ones null
  };

  TextDataset(const proto::Job& job, const FeatureLayout& layout, Options options)
      : job_(job), layout_(layout), options_(options), row_sets_(job, options.predict) {}

  Result<std::unique_ptr<TextFile>> OpenFile(InputFile input) const;
  // The chunk's file: one of the job's, or one that has come while it ran.
  Result<const TextFile*> FileOf(const proto::Chunk& chunk);
  Status OpenSet(proto::Chunk::Set set, const google::protobuf::RepeatedPtrField<std::string>& patterns);
  Status FindGoodRow(const TextFile& file) const;
  RowParser::Labels labels() const {
    return options_.predict ? RowParser::Labels::kIgnored : RowParser::Labels::kNeeded;
  }
  Result<std::unique_ptr<RowParser>> MakeParser(const TextFile& file) const;
  const Files& FilesOf(proto::Chunk::Set set) const { return sets_[row_sets_.FilesOf(set)]; }
  Status EnsureLoaded(proto::Chunk::Set set);
  EpochOrder* OrderOf(proto::Chunk::Set set, std::uint32_t file);  // null: streamed
  Status CutStreamed(const TextFile& text, std::uint32_t file, class ChunkCutter* cutter) const;
  Result<std::unique_ptr<RowStream>> MakeStream(const TextFile& file, const proto::Chunk& chunk, std::uint32_t epoch);
  Status CheckChunk(const proto::Chunk& chunk);
  Status AddStatistics(std::uint32_t file, StatisticsCollector* collector) const;
  Status CheckFile(const TextFile& file, std::uint32_t* rows);

  const proto::Job& job_;
  const FeatureLayout& layout_;
  const Options options_;
  const RowSets row_sets_;
  Schema schema_;
  proto::Statistics statistics_;
  std::shared_ptr<const Vocabularies> vocabularies_;  // of the statistics
  std::array<Files, kSets> sets_;
  BlockPool blocks_{kMaxBlockBytes + LineReader::kLineRoom};
  FollowedFiles<TextFile> followed_;
  BadRowLog log_;
};

}  // namespace sherd
