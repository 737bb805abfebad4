#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/feature_layout.h"
#include "proto/data_statistics.pb.h"
#include "worker/data/column_summary.h"
#include "worker/data/row_file_plan.h"
#include "worker/data/row_parser.h"
#include "worker/data/schema.h"
#include "worker/data/token_counter.h"

namespace sherd {

// What one pass over rows tells of them: of their labels, and of each column of the row files they go to. Summaries of
// parts, merged in the order of the parts, are the same whoever made them. Thread-compatible.
class RowSummary {
 public:
  // All must stay; `layout` and `schema` are those that the plan was made with.
  RowSummary(const RowFilePlan* plan, const FeatureLayout* layout, const Schema* schema);

  void Add(const Row& row);
  void Merge(RowSummary* other);
  std::uint64_t rows() const { return rows_; }

  // All but which files they are of. BadData: no token is frequent enough for a feature's vocabulary.
  Result<proto::DataStatistics> Describe();
  proto::RowSketch Save();
  bool Restore(const proto::RowSketch& saved);  // false when it is none of this plan

 private:
  struct Column {
    int source;  // in Row::values, or RowFileWriter::kOccurrences
    bool number;
    std::string separator;  // of a list
    std::size_t index;      // in numbers_ or tokens_
  };

  void DescribeNumbers(proto::DataStatistics* described);
  Status DescribeVocabularies(proto::DataStatistics* described) const;

  const RowFilePlan& plan_;
  const FeatureLayout& layout_;
  const Schema& schema_;
  std::vector<Column> columns_;  // by column of the plan
  std::vector<NumberSummary> numbers_;
  std::vector<TokenSummary> tokens_;
  std::vector<TokenCounter> vocabularies_;  // by feature that has one
  std::uint64_t rows_ = 0;
  double label_sum_ = 0;
};

}  // namespace sherd
