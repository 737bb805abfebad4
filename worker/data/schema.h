#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/job.pb.h"
#include "proto/row_file.pb.h"

namespace sherd {

// The columns of the input that a job reads, what each must hold, and which feature is made from which. Immutable.
struct Schema {
  struct Column {
    std::string name;
    proto::Column::Type type = proto::Column::TOKEN;
    bool key = false;                     // tokens are unsigned integers, used as keys
    std::string separator;                // with `key`: between several tokens
    std::vector<std::string> lists = {};  // separators of the features that take several tokens from it
    bool occurrences = false;             // libffm: a list of (token, value) among the row's occurrences
    bool valued = false;                  // libsvm: a number stands beside the token and weights its occurrence
  };

  std::vector<Column> columns;      // those that are read; a row's values are in this order
  std::vector<int> feature_column;  // by feature: its column; -1: made from other features, or from the occurrences
  bool occurrences = false;         // libsvm without named columns: a row is a list of (token, value)
  bool occurrence_keys = false;     // their tokens are used as keys
  int label = -1;                   // DELIMITED: the columns of label and weight
  int weight = -1;
  int group = -1;  // evaluation.group_by

  // Invalid names the feature or setting and its fault: a column that is not there, or of the wrong type.
  // row_file: of the job's files, when its format is ROW_FILE.
  static Result<Schema> Make(const proto::Job& job, const FeatureLayout& layout,
                             const proto::RowFileSchema* row_file = nullptr);
};

// The column of libsvm rows without named columns.
inline constexpr std::string_view kFeaturesColumn = "features";

}  // namespace sherd
