#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/feature_layout.h"
#include "proto/data_statistics.pb.h"
#include "worker/data/column_summary.h"
#include "worker/data/row_file_plan.h"
#include "worker/data/row_parser.h"

namespace sherd {

// What one pass over rows tells of them: of their labels, and of each column of the row files they go to. Summaries of
// parts, merged in the order of the parts, are the same whoever made them. Thread-compatible.
class RowSummary {
 public:
  // `plan` must stay.
  explicit RowSummary(const RowFilePlan* plan);

  void Add(const Row& row);
  void Merge(RowSummary* other);
  std::uint64_t rows() const { return rows_; }

  // All but which files they are of. `layout` and `schema` are those that the plan was made with.
  proto::DataStatistics Describe(const FeatureLayout& layout, const Schema& schema);
  proto::RowSketch Save();
  bool Restore(const proto::RowSketch& saved);  // false when it is none of this plan

 private:
  struct Column {
    int source;  // in Row::values, or RowFileWriter::kOccurrences
    bool number;
    std::string separator;  // of a list
    std::size_t index;      // in numbers_ or tokens_
  };

  const RowFilePlan& plan_;
  std::vector<Column> columns_;  // by column of the plan
  std::vector<NumberSummary> numbers_;
  std::vector<TokenSummary> tokens_;
  std::uint64_t rows_ = 0;
  double label_sum_ = 0;
};

}  // namespace sherd
