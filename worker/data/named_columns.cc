#include "worker/data/named_columns.h"

namespace sherd {

NamedColumns::NamedColumns(const proto::Job& job, const Schema& schema)
    : job_(job), schema_(schema), seen_(schema.columns.size(), 0), lists_(schema.columns.size()) {
  for (std::size_t i = 0; i < schema.columns.size(); ++i) columns_[schema.columns[i].name] = static_cast<int>(i);
}

void NamedColumns::Begin(Row* row) {
  ++row_;
  for (Value& value : row->values) value.text = {};
}

bool NamedColumns::Find(std::string_view name, int* column, RowError* error) {
  const auto found = columns_.find(name);
  *column = found == columns_.end() ? -1 : found->second;
  if (*column < 0) return true;
  if (seen_[*column] == row_) return Refuse(error, "each name once expected", name, name);
  seen_[*column] = row_;
  return true;
}

void NamedColumns::Set(int column, std::string_view text, Row* row) const {
  for (const std::string& mark : job_.data().delimited().missing()) {
    if (text == mark) return;
  }
  row->values[column].text = text;
}

bool NamedColumns::BeginList(int column, RowError* error) {
  lists_[column].clear();
  if (!schema_.columns[column].lists.empty()) return true;
  return Refuse(error, "one value expected", "several", schema_.columns[column].name);
}

void NamedColumns::Append(int column, std::string_view text) {
  if (!lists_[column].empty()) lists_[column] += schema_.columns[column].lists[0];
  lists_[column] += text;
}

void NamedColumns::End(Row* row) const {
  row->label_text = schema_.label < 0 ? std::string_view() : row->values[schema_.label].text;
}

}  // namespace sherd
