#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status.h"
#include "worker/data/feature_encoder.h"
#include "worker/data/row_file.h"
#include "worker/data/row_ids.h"

namespace sherd {

// A block of a row file, with what the job's features make of each distinct value of its columns: a row is looked up,
// not computed. Filled again for other blocks.
struct BlockFeatures {
  RowBlock block;
  RowIds ids;                                       // by column (ColumnEncoder)
  std::vector<AlignedBuffer<Key>> keys;             // by run (ColumnEncoder): by entry of its uses' streams
  std::vector<std::vector<float>> numbers;          // the same
  std::vector<std::int64_t> begins;                 // by column: of its entries in its run's
  std::vector<std::vector<std::uint32_t>> offsets;  // by column of the file: of row i's list in its streams
};

// A row of a window of blocks, and its place in the minibatch.
struct PickedRow {
  std::uint32_t block;  // in the window
  std::uint32_t row;    // in the block
  std::uint32_t place;
};

// A label as training takes it: with log loss 0, 1, or -1, which means 0. NaN: it is none.
float LabelOf(double number, bool log_loss);

// From blocks of a row file to the columns of a minibatch, by the same features as FeatureEncoder and to the same bits.
// Whole columns at a time. Immutable but for scratch; confined to one thread.
class ColumnEncoder {
 public:
  struct Options {
    bool labels = true;     // false: they are all 0
    bool groups = false;    // they are filled in
    bool log_loss = false;  // labels are 0 and 1, -1 means 0
  };

  // What stays: all arguments. `vocabularies` as FeatureEncoder has them. Invalid names a feature that can not be made
  // from the file's columns, and what to do.
  static Result<ColumnEncoder> Make(const FeatureLayout& layout, const Schema& schema,
                                    const proto::Statistics& statistics, const RowFile& file, Options options,
                                    std::shared_ptr<const Vocabularies> vocabularies = nullptr);

  // Of the file, by stream: those that are needed.
  std::vector<bool> wanted() const;

  // Computes the features of what `block->block` holds. BadData: it is damaged.
  Status Prepare(BlockFeatures* block) const;
  // The label of a row; NaN: it is none.
  float LabelAt(const BlockFeatures& block, std::uint32_t row) const;
  bool has_bad_labels(const BlockFeatures& block) const;

  // Fills all of the minibatch that comes from columns with `rows`, which ascend by block. BadData: a block is damaged.
  Status Fill(std::span<const BlockFeatures* const> window, std::span<const PickedRow> rows, Minibatch* minibatch);

 private:
  enum class Target { kKeys, kKeyWeights, kGroups, kNumbers, kLabels, kWeights };
  // What is made of a stream's values, and where in a minibatch it goes.
  struct Use {
    Target target;
    int stream;
    int feature = -1;  // kKeys, kKeyWeights: in encoder_.keyed_; kNumbers: in encoder_.numbers_
    int table = -1, field = -1;
    int run = -1;  // in runs_
  };
  // Uses that stand side by side in a minibatch's rows: their values stand one behind the other, and a row's are
  // gathered at once. One that has lists is a run of its own, without a column.
  struct Run {
    Target target;
    int table, field;  // the first
    std::size_t column, columns;
    std::vector<int> uses;
  };
  // Of a field of a table with lists: where its keys are.
  struct ListedField {
    int use = -1, weight_use = -1;  // in uses_
    int column = -1;                // of the file, when it is a list
  };

  struct Field {
    int table, field;
  };
  struct Cross {
    Field place;
    std::uint64_t field_hash;
    std::vector<Field> parts;
  };

  ColumnEncoder(FeatureEncoder encoder, const RowFile& file, Options options)
      : encoder_(std::move(encoder)), file_(file), options_(options) {}
  Status AddUses(const FeatureLayout& layout, const Schema& schema);
  Status AddKeyed(const FeatureLayout::FeatureColumn& feature, const Schema& schema);
  void AddCross(const FeatureLayout& layout, const FeatureLayout::FeatureColumn& feature);
  int AddUse(const Use& use, bool one_a_row);
  void MakeRuns();
  int FileColumn(std::string_view name) const;

  Key KeyOf(const Use& use, const Value& value) const;
  float NumberOf(const Use& use, double number) const;
  Status MakeRun(const Run& run, BlockFeatures* block) const;
  Status MakeTable(const Use& use, const BlockFeatures& block, Key* keys, float* numbers) const;
  Status MakeOffsets(int column, BlockFeatures* block) const;

  Status MakeIds(BlockFeatures* block) const;

  void FillRows(const BlockFeatures& block, std::span<const PickedRow> rows, Minibatch* minibatch);
  void FillRun(int run, const BlockFeatures& block, Minibatch* minibatch) const;
  template <typename T>
  void GatherRun(int run, const BlockFeatures& block, const T* values, T* out, std::size_t stride) const;
  Status FillListed(std::span<const BlockFeatures* const> window, std::span<const PickedRow> rows,
                    Minibatch* minibatch);
  Status AddCell(const BlockFeatures& block, std::uint32_t row, int keyed, TableKeys* keys) const;
  void FillCrosses(Minibatch* minibatch) const;
  Key PartKey(const Minibatch& minibatch, const Field& part, std::uint32_t row) const;

  FeatureEncoder encoder_;
  const RowFile& file_;
  const Options options_;
  std::vector<Use> uses_;
  std::vector<int> columns_;  // uses whose values are one a row, in the order of runs_
  std::vector<Run> runs_;
  int label_use_ = -1;
  std::vector<Cross> crosses_;
  std::vector<ListedField> listed_;           // by keyed feature
  std::vector<std::uint32_t> rows_, places_;  // of a block
  std::vector<std::uint32_t> by_place_;       // the picked row that stands there
};

}  // namespace sherd
