#include "launch/checkpoint/token_key.h"

#include <algorithm>
#include <string_view>

#include "worker/data/feature_encoder.h"
#include "worker/data/number_text.h"

namespace sherd {
namespace {

// One row of input that has a value in some columns and lacks all others.
class LoneRow {
 public:
  LoneRow(const proto::Job& job, const Schema& schema) : job_(job), schema_(schema) {
    row_.values.resize(schema.columns.size());
  }

  // `text` must stay.
  Status Set(const FeatureLayout& layout, int feature, std::string_view text) {
    const int column = schema_.feature_column[static_cast<std::size_t>(feature)];
    if (column < 0 || schema_.columns[static_cast<std::size_t>(column)].occurrences) {
      row_.occurrences.push_back({.token = text, .value = 1, .column = column});
      return {};
    }
    for (const std::string& mark : job_.data().delimited().missing()) {
      if (text == mark) text = {};
    }
    Value& value = row_.values[static_cast<std::size_t>(column)];
    value.text = text;
    const FeatureLayout::FeatureColumn& place = layout.features[static_cast<std::size_t>(feature)];
    if (text.empty() || !place.config->has_bucket() || ParseFloat(text, &value.number)) return {};
    return Status::Invalid("feature " + place.name + ": " + std::string(text) + " is not a number");
  }

  const Row& row() const { return row_; }

 private:
  const proto::Job& job_;
  const Schema& schema_;
  Row row_;
};

std::vector<std::string_view> SplitAtCommas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(std::min(text.size(), end + 1))) {
    end = text.find(',');
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
  }
  return parts;
}

Status SetFeature(const FeatureLayout& layout, int feature, const std::string& text, LoneRow* row) {
  const FeatureLayout::FeatureColumn& place = layout.features[static_cast<std::size_t>(feature)];
  if (place.config->has_number()) return Status::Invalid("feature " + place.name + ": is a number and has no keys");
  if (place.crossed.empty()) return row->Set(layout, feature, text);
  const std::vector<std::string_view> parts = SplitAtCommas(text);
  if (parts.size() != place.crossed.size()) {
    return Status::Invalid("feature " + place.name + ": is a cross of " + std::to_string(place.crossed.size()) +
                           " features; give so many values, separated by commas");
  }
  for (std::size_t i = 0; i < parts.size(); ++i) RETURN_IF_ERROR(row->Set(layout, place.crossed[i], parts[i]));
  return {};
}

}  // namespace

Result<std::pair<std::string, std::vector<Key>>> KeysOfText(const proto::Job& job, const proto::Statistics& statistics,
                                                            const std::string& feature, const std::string& text) {
  ASSIGN_OR_RETURN(const FeatureLayout layout, FeatureLayout::Make(job));
  ASSIGN_OR_RETURN(const Schema schema, Schema::Make(job, layout));
  const auto found = std::ranges::find(layout.features, feature, &FeatureLayout::FeatureColumn::name);
  if (found == layout.features.end()) {
    std::string names;
    for (const auto& one : layout.features) names += (names.empty() ? "" : ", ") + one.name;
    return Status::Invalid("there is no feature " + feature + "; there are " + names);
  }
  LoneRow row(job, schema);
  RETURN_IF_ERROR(SetFeature(layout, static_cast<int>(found - layout.features.begin()), text, &row));

  ASSIGN_OR_RETURN(FeatureEncoder encoder, FeatureEncoder::Make(layout, schema, statistics));
  Minibatch minibatch;
  encoder.Begin(1, &minibatch);
  encoder.Add(row.row(), &minibatch);
  minibatch.rows = 1;
  encoder.End(&minibatch);
  const TableKeys& keys = minibatch.tables[static_cast<std::size_t>(found->table)];
  const auto field = static_cast<std::size_t>(found->field);
  const std::size_t begin = keys.offsets.empty() ? field : keys.offsets[field];
  const std::size_t end = keys.offsets.empty() ? field + 1 : keys.offsets[field + 1];
  return std::pair(layout.tables[static_cast<std::size_t>(found->table)].name,
                   std::vector<Key>(keys.keys.begin() + static_cast<std::ptrdiff_t>(begin),
                                    keys.keys.begin() + static_cast<std::ptrdiff_t>(end)));
}

}  // namespace sherd
