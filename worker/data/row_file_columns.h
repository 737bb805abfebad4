#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "proto/row_file.pb.h"

namespace sherd {

// Which streams a block of a row file has: label, then weight where rows are weighted, then those of each column.
struct RowFileStreams {
  static constexpr int kLabel = 0;
  struct Column {
    int counts = -1;  // of a list: tokens by row; -1: one a row
    int values = -1;
    int beside = -1;  // the numbers that weight the values; -1: none do
  };
  int weight = -1;
  std::vector<Column> columns;
  int count = 0;

  explicit RowFileStreams(const proto::RowFileSchema& schema);
  // "column C3", "label": what a stream is of, in messages.
  std::string NameOf(const proto::RowFileSchema& schema, int stream) const;
};

// Invalid names the column that is none, or named twice.
Status CheckRowFileSchema(const proto::RowFileSchema& schema);

}  // namespace sherd
