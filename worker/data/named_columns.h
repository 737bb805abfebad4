#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/data/row_parser.h"

namespace sherd {

// Rows whose values come by name, in any order: JSON lines and tf.Example. Confined to one thread.
class NamedColumns {
 public:
  // `job` and `schema` must stay.
  NamedColumns(const proto::Job& job, const Schema& schema);

  // All values of a new row are missing.
  void Begin(Row* row);
  // The column of a name; -1: it is not read. A name that comes twice in a row is refused.
  bool Find(std::string_view name, int* column, RowError* error);
  // Of a value that is there; one of data.delimited.missing stands for one that is not. `text` stays as long as the
  // row.
  void Set(int column, std::string_view text, Row* row) const;
  // Of several values: each Append adds one, with the separator of the column's feature between, and EndList sets it.
  // Refused when the column takes one token only.
  bool BeginList(int column, RowError* error);
  void Append(int column, std::string_view text);
  void EndList(int column, Row* row) const { Set(column, lists_[column], row); }
  // After the last value.
  void End(Row* row) const;

 private:
  const proto::Job& job_;
  const Schema& schema_;
  std::unordered_map<std::string_view, int> columns_;  // by the schema's names
  std::vector<std::uint64_t> seen_;                    // by column: the last row that had it
  std::uint64_t row_ = 0;
  std::vector<std::string> lists_;  // by column
};

}  // namespace sherd
