#include "models/feature_layout.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>

namespace sherd {
namespace {

using FeatureColumn = FeatureLayout::FeatureColumn;
using Kind = proto::Feature::KindCase;

constexpr std::uint32_t kMaxRange = 10000;

enum class ColumnKind { kToken, kNumber, kMultiValued };

// What the columns of the input hold, by name.
using Columns = std::map<std::string, ColumnKind>;

Result<Columns> DelimitedColumns(const proto::Data& data) {
  if (!data.has_delimited()) {
    return Status::Invalid("data.delimited: missing, and the format is " + proto::Data::Format_Name(data.format()));
  }
  Columns columns;
  for (const proto::Column& column : data.delimited().column()) {
    if (column.type() == proto::Column::SKIP || column.name() == data.delimited().label()) continue;
    const bool token = column.type() == proto::Column::TOKEN;
    for (const std::string& name : NamesOf(column)) {
      if (!columns.emplace(name, token ? ColumnKind::kToken : ColumnKind::kNumber).second) {
        return Status::Invalid("data.delimited.column: '" + name + "' is named twice");
      }
    }
  }
  return columns;
}

// Of row files nothing: they say themselves what they have, and worker/data/schema.cc asks them.
Result<Columns> ColumnsOf(const proto::Data& data) {
  Columns columns;
  switch (data.format()) {
    case proto::Data::DELIMITED:
    case proto::Data::JSON_LINES:
    case proto::Data::TF_RECORD:
      return DelimitedColumns(data);
    case proto::Data::LIBFFM:
      for (std::uint32_t i = 0; i < data.libffm().fields(); ++i) {
        columns[std::string("F") + std::to_string(i)] = ColumnKind::kMultiValued;
      }
      return columns;
    case proto::Data::CRITEO_TSV:
      for (int i = 1; i <= 13; ++i) columns[std::string("I") + std::to_string(i)] = ColumnKind::kNumber;
      for (int i = 1; i <= 26; ++i) columns[std::string("C") + std::to_string(i)] = ColumnKind::kToken;
      return columns;
    case proto::Data::LIBSVM:
      for (const std::string& name : data.libsvm().column()) columns[name] = ColumnKind::kToken;
      if (columns.empty()) columns["features"] = ColumnKind::kMultiValued;
      return columns;
    case proto::Data::USER_ITEM:
      if (data.user_item().has_sequences()) {
        return Columns{
            {"user", ColumnKind::kToken}, {"item", ColumnKind::kToken}, {"history", ColumnKind::kMultiValued}};
      }
      if (!data.user_item().has_bags()) return Columns{{"user", ColumnKind::kToken}, {"item", ColumnKind::kToken}};
      columns[data.user_item().bags().of() == proto::Bags::USER ? "user" : "item"] = ColumnKind::kToken;
      columns["history"] = columns["targets"] = ColumnKind::kMultiValued;
      return columns;
    case proto::Data::ROW_FILE:
      return columns;
  }
  return Status::Invalid("data.format: missing");
}

struct NumberedName {
  std::string_view prefix;
  std::uint32_t number;
};

// "C26" -> {"C", 26}; nothing when it does not end in a number.
std::optional<NumberedName> SplitNumber(std::string_view name) {
  const std::size_t last_other = name.find_last_not_of("0123456789");
  const std::size_t digits = last_other == std::string_view::npos ? 0 : last_other + 1;
  NumberedName split{name.substr(0, digits), 0};
  const auto parsed = std::from_chars(name.data() + digits, name.data() + name.size(), split.number);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) return std::nullopt;
  return split;
}

// The columns that `text` stands for: itself, or each of "C1..C26".
Result<std::vector<std::string>> ExpandColumns(const std::string& text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return std::vector<std::string>{text};
  const auto first = SplitNumber(std::string_view(text).substr(0, dots));
  const auto last = SplitNumber(std::string_view(text).substr(dots + 2));
  if (!first || !last || first->prefix != last->prefix || first->number > last->number ||
      last->number - first->number >= kMaxRange) {
    return Status::Invalid("feature '" + text + "': a range of columns is written like C1..C26, at most " +
                           std::to_string(kMaxRange) + " of them");
  }
  std::vector<std::string> columns;
  // 64 bits: `last` may be the largest number of 32.
  for (std::uint64_t i = first->number; i <= last->number; ++i) {
    columns.push_back(std::string(first->prefix) + std::to_string(i));
  }
  return columns;
}

std::string CrossName(const proto::Feature& feature) {
  std::string name;
  for (const std::string& part : feature.cross().feature()) name += (name.empty() ? "" : "_x_") + part;
  return name;
}

Status CheckColumn(const proto::Feature& feature, const std::string& name, const std::string& column,
                   const Columns& columns) {
  const auto found = columns.find(column);
  if (found == columns.end()) {
    return Status::Invalid("feature '" + name + "': the data has no column '" + column + "' to make it from");
  }
  const bool needs_number = feature.kind_case() == Kind::kNumber || feature.kind_case() == Kind::kBucket;
  if (needs_number && found->second != ColumnKind::kNumber) {
    return Status::Invalid("feature '" + name + "': column '" + column + "' holds no numbers; make it categorical" +
                           (found->second == ColumnKind::kToken ? ", or its type INTEGER or FLOAT" : ""));
  }
  if (found->second == ColumnKind::kMultiValued && feature.categorical().has_separator()) {
    return Status::Invalid("feature '" + name + "': column '" + column + "' has many values already; no separator");
  }
  return {};
}

Status CheckConfig(const proto::Feature& feature, const std::string& name) {
  if (feature.has_number() && feature.has_table()) {
    return Status::Invalid("feature '" + name + "': a number has no rows, so no table; use bucket or categorical");
  }
  if (feature.has_categorical() && feature.categorical().has_separator() && feature.categorical().separator().empty()) {
    return Status::Invalid("feature '" + name + "': categorical.separator is empty");
  }
  if (feature.categorical().has_vocabulary() && feature.categorical().token_is_key()) {
    return Status::Invalid("feature '" + name + "': with token_is_key tokens are numbers already; no vocabulary");
  }
  const auto& edges = feature.bucket().edge();
  if (std::adjacent_find(edges.begin(), edges.end(), [](double a, double b) { return !(a < b); }) != edges.end()) {
    return Status::Invalid("feature '" + name + "': bucket.edge must ascend");
  }
  if (feature.bucket().has_quantiles() && !edges.empty()) {
    return Status::Invalid("feature '" + name + "': bucket.quantiles and bucket.edge exclude one another");
  }
  return {};
}

// The features that one entry of the job file stands for, without their places.
Result<std::vector<FeatureColumn>> Expand(const proto::Data& data, const proto::Feature& feature,
                                          const Columns& columns) {
  if (feature.has_cross()) {
    const std::string name = feature.has_name() ? feature.name() : CrossName(feature);
    if (feature.has_column()) return Status::Invalid("feature '" + name + "': a cross has no column of its own");
    return std::vector<FeatureColumn>{{.name = name, .column = "", .config = &feature, .crossed = {}}};
  }
  if (feature.column().empty()) return Status::Invalid("feature '" + feature.name() + "': column is missing");
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ExpandColumns(feature.column()));
  if (names.size() > 1 && feature.has_name()) {
    return Status::Invalid("feature '" + feature.name() + "': " + feature.column() +
                           " is several features, which are " + "named after their columns");
  }
  std::vector<FeatureColumn> expanded;
  for (const std::string& column : names) {
    const std::string name = feature.has_name() ? feature.name() : column;
    RETURN_IF_ERROR(CheckConfig(feature, name));
    if (data.format() == proto::Data::USER_ITEM && feature.categorical().has_vocabulary()) {
      return Status::Invalid("feature '" + name + "': users and items are all kept by number; no vocabulary");
    }
    if (data.format() != proto::Data::ROW_FILE) RETURN_IF_ERROR(CheckColumn(feature, name, column, columns));
    expanded.push_back({.name = name, .column = column, .config = &feature, .crossed = {}});
  }
  return expanded;
}

Status ResolveCross(const std::map<std::string, int>& by_name, const std::vector<FeatureColumn>& features,
                    FeatureColumn* cross) {
  if (cross->config->cross().feature_size() < 2) {
    return Status::Invalid("feature '" + cross->name + "': a cross combines two features or more");
  }
  for (const std::string& name : cross->config->cross().feature()) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      return Status::Invalid("feature '" + cross->name + "': crosses the feature '" + name +
                             "', which is not in the job");
    }
    const proto::Feature& part = *features[found->second].config;
    if (part.has_number() || part.has_cross()) {
      return Status::Invalid("feature '" + cross->name + "': crosses '" + name + "', which is " +
                             (part.has_number() ? "a number" : "a cross itself") +
                             "; only categorical and bucket can be");
    }
    if (std::count(cross->crossed.begin(), cross->crossed.end(), found->second) > 0) {
      return Status::Invalid("feature '" + cross->name + "': crosses '" + name + "' with itself");
    }
    cross->crossed.push_back(found->second);
  }
  return {};
}

std::string TableName(const proto::Feature& feature) {
  if (feature.has_table()) return feature.table();
  return feature.has_cross() ? "cross" : "embedding";
}

// Gives the feature its table, which is made when it is the first one in it, and its field there.
Status PlaceInTable(int index, FeatureLayout* layout) {
  FeatureColumn& feature = layout->features[index];
  const std::string name = TableName(*feature.config);
  if (name.empty()) return Status::Invalid("feature '" + feature.name + "': table is empty");
  feature.table = layout->TableId(name);
  if (feature.table < 0) {
    feature.table = static_cast<int>(layout->tables.size());
    layout->tables.push_back({.name = name, .features = {}});
  }
  std::vector<int>& fields = layout->tables[feature.table].features;
  if (!fields.empty() && layout->features[fields[0]].config->has_cross() != feature.config->has_cross()) {
    return Status::Invalid("feature '" + feature.name + "': crosses can not share the table '" + name +
                           "' with features that are none");
  }
  feature.field = static_cast<int>(fields.size());
  fields.push_back(index);
  return {};
}

}  // namespace

Result<FeatureLayout> FeatureLayout::Make(const proto::Job& job) {
  ASSIGN_OR_RETURN(const Columns columns, ColumnsOf(job.data()));
  FeatureLayout layout;
  for (const proto::Feature& feature : job.feature()) {
    ASSIGN_OR_RETURN(std::vector<FeatureColumn> expanded, Expand(job.data(), feature, columns));
    std::move(expanded.begin(), expanded.end(), std::back_inserter(layout.features));
  }
  std::map<std::string, int> by_name;
  for (int i = 0; i < static_cast<int>(layout.features.size()); ++i) {
    if (!by_name.emplace(layout.features[i].name, i).second) {
      return Status::Invalid("feature '" + layout.features[i].name + "': the name stands twice in the job");
    }
  }
  for (int i = 0; i < static_cast<int>(layout.features.size()); ++i) {
    FeatureColumn& feature = layout.features[i];
    if (feature.config->has_number()) {
      feature.field = static_cast<int>(layout.numbers.size());
      layout.numbers.push_back(i);
      continue;
    }
    if (feature.config->has_cross()) RETURN_IF_ERROR(ResolveCross(by_name, layout.features, &feature));
    RETURN_IF_ERROR(PlaceInTable(i, &layout));
  }
  return layout;
}

int FeatureLayout::TableId(const std::string& name) const {
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const TableFields& t) { return t.name == name; });
  return found == tables.end() ? -1 : static_cast<int>(found - tables.begin());
}

std::vector<std::string> NamesOf(const proto::Column& column) {
  Result<std::vector<std::string>> names = ExpandColumns(column.name());
  return names.ok() ? *std::move(names) : std::vector<std::string>{column.name()};
}

}  // namespace sherd
