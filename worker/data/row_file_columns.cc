#include "worker/data/row_file_columns.h"

#include <set>

#include "worker/data/schema.h"

namespace sherd {

RowFileStreams::RowFileStreams(const proto::RowFileSchema& schema) {
  count = kLabel + 1;
  if (schema.weighted()) weight = count++;
  for (const proto::RowFileColumn& config : schema.column()) {
    Column& column = columns.emplace_back();
    if (config.list()) column.counts = count++;
    column.values = count++;
    if (config.valued()) column.beside = count++;
  }
}

std::string RowFileStreams::NameOf(const proto::RowFileSchema& schema, int stream) const {
  if (stream == kLabel) return "label";
  if (stream == weight) return "weight";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    if (stream == column.counts || stream == column.values || stream == column.beside) {
      return "column " + schema.column(static_cast<int>(i)).name();
    }
  }
  return "stream " + std::to_string(stream);
}

Status CheckRowFileSchema(const proto::RowFileSchema& schema) {
  std::set<std::string> names;
  for (const proto::RowFileColumn& column : schema.column()) {
    const std::string who = "column \"" + column.name() + "\"";
    if (column.name().empty()) return Status::Invalid("a column has no name");
    if (!names.insert(column.name()).second) return Status::Invalid(who + " stands twice");
    if (!column.has_kind()) return Status::Invalid(who + " is of no kind");
    const bool number = column.kind() == proto::RowFileColumn::NUMBER;
    if (number && (column.list() || column.valued())) return Status::Invalid(who + ": a number is one a row");
    if (column.has_separator() && (!column.list() || column.separator().empty())) {
      return Status::Invalid(who + ": a separator is text between the tokens of a list");
    }
    if (column.list() && !column.has_separator() && column.name() != kFeaturesColumn) {
      return Status::Invalid(who + ": a list has a separator, but that of libsvm, which is called " +
                             std::string(kFeaturesColumn));
    }
    if (column.has_separator() && column.valued()) return Status::Invalid(who + ": tokens of a list have no values");
    if (column.token_is_key() && column.kind() != proto::RowFileColumn::KEY) {
      return Status::Invalid(who + ": only keys can be tokens that are keys");
    }
  }
  return {};
}

}  // namespace sherd
