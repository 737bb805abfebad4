#include "worker/data/row_parser.h"

#include <algorithm>

#include "worker/data/number_text.h"

namespace sherd {
namespace {

bool Contains(const google::protobuf::RepeatedPtrField<std::string>& texts, std::string_view text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

// Do all tokens of a text read as keys?
bool AreKeys(std::string_view text, std::string_view separator) {
  std::uint64_t key;
  if (separator.empty()) return ParseKey(text, &key);
  for (;;) {
    const std::size_t end = text.find(separator);
    const std::string_view token = text.substr(0, end);
    if (!token.empty() && !ParseKey(token, &key)) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + separator.size());
  }
}

// Empty tokens are none.
std::size_t CountTokens(std::string_view text, std::string_view separator) {
  std::size_t tokens = 0;
  for (;;) {
    const std::size_t end = text.find(separator);
    tokens += std::min(end, text.size()) > 0;
    if (end == std::string_view::npos) return tokens;
    text.remove_prefix(end + separator.size());
  }
}

}  // namespace

bool Refuse(RowError* error, std::string_view expected, std::string_view got, std::string_view column) {
  constexpr std::size_t kShown = 60;
  error->expected = expected;
  error->column = column;
  error->got.clear();
  for (const char c : got.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    error->got += byte >= 0x20 && byte < 0x7f ? c : '?';  // may end on a terminal and in a protobuf string
  }
  if (got.size() > kShown) error->got += "...";
  return false;
}

bool RefuseFeatures(RowError* error, std::size_t features, std::string_view column) {
  static const std::string expected = "at most " + std::to_string(kMaxFeatures) + " features expected";
  return Refuse(error, expected, std::to_string(features), column);
}

Result<std::unique_ptr<RowParser>> RowParser::Make(const proto::Job& job, const Schema& schema, Labels labels,
                                                   const std::string& path, const std::string& header) {
  switch (job.data().format()) {
    case proto::Data::DELIMITED:
      return MakeDelimitedParser(job, schema, labels, path, header);
    case proto::Data::CRITEO_TSV:
      return MakeCriteoParser(job, schema, labels);
    case proto::Data::LIBSVM:
      return MakeLibsvmParser(job, schema, labels);
    case proto::Data::LIBFFM:
      return MakeLibffmParser(job, schema, labels);
    case proto::Data::JSON_LINES:
      return MakeJsonParser(job, schema, labels);
    case proto::Data::TF_RECORD:
      return MakeTfExampleParser(job, schema, labels);
    case proto::Data::USER_ITEM:
    case proto::Data::ROW_FILE:
      break;
  }
  LOG(FATAL) << "interactions and row files are not read row by row";
}

RowParser::RowParser(const proto::Job& job, const Schema& schema, Labels labels)
    : job_(job), schema_(schema), labels_(labels) {
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    const Schema::Column& column = schema.columns[i];
    if (column.type != proto::Column::TOKEN || column.key || !column.lists.empty())
      checked_.push_back(static_cast<int>(i));
  }
}

void RowParser::ReadsNumbersOf(int column) {
  const Schema::Column& known = schema_.columns[column];
  if (!known.key && known.lists.empty()) std::erase(checked_, column);
}

bool RowParser::Parse(std::string_view line, Row* row, RowError* error) {
  if (line.empty()) return Refuse(error, "line of at most 1 MiB expected", "");
  row->values.resize(schema_.columns.size());
  if (!Split(line, row, error)) return false;
  if (labels_ == Labels::kNeeded && !ReadLabel(row, error)) return false;
  for (const int i : checked_) {
    Value& value = row->values[i];
    if (!value.text.empty() && !ReadValue(schema_.columns[i], &value, error)) return false;
  }
  return schema_.weight < 0 || ReadWeight(row, error);
}

bool RowParser::ReadWeight(Row* row, RowError* error) const {
  const Value& weight = row->values[schema_.weight];
  row->weight = static_cast<float>(weight.number);
  if (!weight.text.empty() && row->weight >= 0) return true;
  return Refuse(error, "weight of 0 or more expected", weight.text, schema_.columns[schema_.weight].name);
}

bool RowParser::ReadLabel(Row* row, RowError* error) const {
  const std::string_view text = row->label_text;
  if (text == "0" || text == "1") {  // nearly all there are, where no texts are set for them
    row->label = static_cast<float>(text[0] - '0');
    if (job_.data().delimited().positive().empty() && !job_.data().has_label_range()) return true;
  }
  const proto::Delimited& delimited = job_.data().delimited();
  const std::string_view column = schema_.label < 0 ? "label" : std::string_view(schema_.columns[schema_.label].name);
  if (!delimited.positive().empty()) {
    row->label = Contains(delimited.positive(), text) ? 1 : 0;
    if (row->label == 1 || Contains(delimited.negative(), text)) return true;
    return Refuse(error, "label \"" + delimited.positive(0) + "\" or \"" + delimited.negative(0) + "\" expected", text,
                  column);
  }
  double number;
  if (!ParseFloat(text, &number)) return Refuse(error, "number expected as label", text, column);
  if (job_.model().loss() == proto::Model::LOG_LOSS) {
    if (number == -1) number = 0;
    if (number != 0 && number != 1) return Refuse(error, "label 0 or 1 expected", text, column);
  }
  const std::uint32_t classes = job_.model().classes();
  const bool is_class = number >= 0 && number < classes && number == std::floor(number);
  if (job_.model().loss() == proto::Model::CROSS_ENTROPY && !is_class) {
    return Refuse(error, "class from 0 to " + std::to_string(classes - 1) + " expected as label", text, column);
  }
  row->label = static_cast<float>(number);
  if (!std::isfinite(row->label)) return Refuse(error, "label within the range of floats expected", text, column);
  const proto::Data& data = job_.data();
  const bool within =
      !data.has_label_range() || (number >= data.label_range().min() && number <= data.label_range().max());
  return within || Refuse(error, "label within data.label_range expected", text, column);
}

bool RowParser::ReadValue(const Schema::Column& column, Value* value, RowError* error) const {
  if (column.type == proto::Column::INTEGER) {
    std::int64_t integer;
    if (!ParseInteger(value->text, &integer)) return Refuse(error, "integer expected", value->text, column.name);
    value->number = static_cast<double>(integer);
  } else if (column.type == proto::Column::FLOAT) {
    // Squares of floats fit a double, so statistics can not overflow.
    if (!ParseFloat(value->text, &value->number) || !std::isfinite(static_cast<float>(value->number)))
      return Refuse(error, "number expected", value->text, column.name);
  }
  if (column.key && !AreKeys(value->text, column.separator)) {
    return Refuse(error, "unsigned integer expected as key", value->text, column.name);
  }
  return CheckLists(column, value->text, error);
}

bool RowParser::CheckLists(const Schema::Column& column, std::string_view text, RowError* error) const {
  if (text.size() <= kMaxFeatures) return true;  // a token has a byte at least
  for (const std::string& separator : column.lists) {
    const std::size_t tokens = CountTokens(text, separator);
    if (tokens > kMaxFeatures) return RefuseFeatures(error, tokens, column.name);
  }
  return true;
}

}  // namespace sherd
