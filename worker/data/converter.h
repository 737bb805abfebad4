#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "proto/data_statistics.pb.h"
#include "proto/job.pb.h"
#include "proto/wire.pb.h"
#include "worker/data/row_file_plan.h"
#include "worker/data/row_parser.h"
#include "worker/data/row_summary.h"
#include "worker/data/schema.h"
#include "worker/data/test_split.h"
#include "worker/data/text_file.h"
#include "worker/data/token_vocabulary.h"

namespace sherd {

// From the text files of a job to row files, in pieces that have nothing to do with one another: how the files are cut
// follows from their content and the options alone, and so does each byte that a piece becomes. Thread-safe once opened
// (and, where it needs a survey or counts, once those are set).
class Converter {
 public:
  struct Options {
    RowFilePlan::Tokens tokens = RowFilePlan::Tokens::kHashed;
    TestSplit split;
    // A row file holds the rows of at most so many bytes of text, and one row. 0: a 64th of the input, from 16 MiB to
    // 512 MiB.
    std::uint64_t text_bytes = 0;
    // Tokens that the rows for training have fewer times share the key of kRareToken. 1: none do.
    std::uint64_t min_count = 1;
  };
  // Set when the work is to be given up: whoever looks returns Stopped.
  using StopFlag = std::atomic<bool>;

  // `job` must stay. Invalid: it can not be converted so. Missing and empty files are errors.
  static Result<std::unique_ptr<Converter>> Open(const proto::Job& job, const Options& options);

  std::size_t pieces() const { return pieces_.size(); }
  std::uint64_t input_bytes() const;  // on disk
  const RowFilePlan& plan() const { return plan_; }

  // Must all pieces be read once before any is converted?
  bool needs_survey() const { return options_.split.by >= TestSplit::By::kLast; }
  Result<proto::SurveyedPiece> Survey(std::size_t piece, const StopFlag& stop) const;
  // Of all pieces, in their order. Invalid: the split leaves nothing on one side.
  Status SetSurvey(std::span<const proto::SurveyedPiece> surveyed);

  // Are tokens to be counted, by reading all pieces once, after a survey and before any is converted?
  bool needs_counts() const { return options_.min_count > 1; }
  Result<proto::CountedPiece> Count(std::size_t piece, const StopFlag& stop) const;
  // Of each piece; then the last word.
  void AddCounts(const proto::CountedPiece& counted);
  void EndCounts();
  // The columns that are counted, with their vocabularies.
  struct CountedColumn {
    std::string name;  // of the first feature that is made from it
    int source;        // RowFileWriter::Options
    std::string separator;
    TokenVocabulary vocabulary;
  };
  const std::vector<CountedColumn>& counted() const { return counted_; }

  // Writes the row files of a piece into `folder`, under names that begin with the set and ascend with the place of the
  // rows in the input. BadData: of all rows that this converter has read so far too many are bad.
  Result<proto::ConvertedPiece> Convert(std::size_t piece, const std::string& folder, const StopFlag& stop) const;

  // What a bad row of a piece is and where it stands, as people read it.
  proto::BadRow Describe(std::size_t piece, const proto::BadRowKind& kind) const;
  // For the rows for training.
  RowSummary MakeSummary() const { return RowSummary(&plan_, &layout_, &schema_); }

 private:
  struct Piece {
    proto::Chunk::Set set;
    std::uint32_t file;
    std::uint64_t begin, end;  // of the rows' first bytes; a packed file is one piece
  };
  class PieceWriter;

  Converter(const proto::Job& job, Options options) : job_(job), options_(std::move(options)) {}
  Status MakeSchema();
  Status ChooseCounted();
  Status OpenFiles();
  void CutFiles();
  const TextFile& FileOf(const Piece& piece) const { return *files_[piece.set][piece.file]; }
  template <typename TakeLine>
  Status ForEachLine(const Piece& piece, const StopFlag& stop, const TakeLine& take) const;
  Status JudgeBadRows(std::size_t piece, const RowError& error, std::uint64_t offset) const;
  void ReplaceRare(Row* row, std::vector<std::string>* lists) const;
  proto::Chunk::Set SetOf(const Piece& piece, const Row& row, std::uint64_t offset, std::uint64_t number) const;

  const proto::Job& job_;
  Options options_;
  FeatureLayout layout_;
  Schema schema_;  // with the column that time is split by
  int time_column_ = -1;
  RowFilePlan plan_;
  std::array<std::vector<std::unique_ptr<TextFile>>, 3> files_;  // by set
  std::vector<Piece> pieces_;
  std::vector<std::uint64_t> first_row_;  // of each piece of the training files, among all of them
  std::uint64_t last_begin_ = 0;          // kLast: the first row that is for test
  std::vector<CountedColumn> counted_;
  double latest_ = 0;                                              // kTime: the largest value that is for training
  mutable std::atomic<std::uint64_t> rows_read_{0}, bad_rows_{0};  // by all who convert
};

}  // namespace sherd
