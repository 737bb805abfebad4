#include "worker/data/criteo_decoder.h"

#include <algorithm>
#include <bit>
#include <string>
#include <tuple>
#include <utility>

#include "worker/data/number_text.h"

namespace sherd {

// Not where every row needs more checks than there are here, and where a token of an integer's text may stand too near
// to the line's beginning.
bool CriteoDecoder::Suits(const proto::Job& job, const Parts& parts) {
  if (job.data().format() != proto::Data::CRITEO_TSV || parts.options.labels != RowParser::Labels::kNeeded)
    return false;
  const auto& [columns, keyed] = std::tie(parts.schema.columns, parts.encoder.keyed_);
  const auto is_integers_token = [&](const FeatureEncoder::KeyedFeature& feature) {
    return feature.kind == FeatureEncoder::Kind::kToken && PositionOf(parts.schema, feature.column) <= kIntegers;
  };
  return job.data().delimited().positive().empty() && std::none_of(keyed.begin(), keyed.end(), is_integers_token) &&
         std::none_of(columns.begin(), columns.end(), [](const Schema::Column& column) { return column.key; });
}

int CriteoDecoder::PositionOf(const Schema& schema, int slot) {
  const std::string& name = schema.columns[slot].name;
  return std::stoi(name.substr(1)) + (name[0] == 'I' ? 0 : kIntegers);
}

CriteoDecoder::CriteoDecoder(Parts parts) : RowDecoder(std::move(parts)) {
  row_.values.resize(schema_.columns.size());
  for (std::size_t i = 0; i < schema_.columns.size(); ++i) {
    const int position = PositionOf(schema_, static_cast<int>(i));
    if (position <= kIntegers) read_integers_ |= 1u << (position - 1);
  }
  using Kind = FeatureEncoder::Kind;
  for (const FeatureEncoder::KeyedFeature& feature : encoder_.keyed_) {
    if (feature.kind == Kind::kToken) {
      tokens_.AddField(PositionOf(schema_, feature.column), feature.field_hash);
    } else if (feature.kind == Kind::kLogBucket) {
      buckets_.AddFeature(PositionOf(schema_, feature.column) - 1, feature.field_hash);
    } else if (feature.column >= 0) {
      FillIn(feature.column);
    }
  }
  for (const FeatureEncoder::NumberFeature& number : encoder_.numbers_) FillIn(number.column);
  if (options_.groups) FillIn(schema_.group);
}

void CriteoDecoder::FillIn(int slot) {
  const auto known = [&](const Column& column) { return column.slot == slot; };
  if (std::none_of(filled_in_.begin(), filled_in_.end(), known))
    filled_in_.push_back({slot, PositionOf(schema_, slot)});
}

std::string_view CriteoDecoder::Field(int position) const {
  const std::uint32_t begin = ends_[position - 1] + 1;
  return {line_ + begin, ends_[position] - begin};
}

bool CriteoDecoder::Parse(std::string_view line, RowError* error) {
  ordinary_ = Split(line);
  return ordinary_ || RowDecoder::Parse(line, error);
}

bool CriteoDecoder::Split(std::string_view line) {
  if (line.size() < kColumns || (line[0] != '0' && line[0] != '1') || line[1] != '\t') return false;
  if (FindFieldEnds(line, '\t', kColumns, ends_.data()) != kColumns) return false;
  line_ = line.data();
  row_.label = static_cast<float>(line[0] - '0');
  ReadIntegers(line_, ends_.data(), 1, kIntegers, &integers_);
  if (const std::uint32_t others = integers_.unread & read_integers_; others != 0 && !ReadOthers(others)) return false;
  for (const Column& column : filled_in_) {
    Value& value = row_.values[column.slot];
    value.text = Field(column.position);
    if (value.text.size() > kMaxFeatures) return false;  // it may be too long a list
    if (column.position <= kIntegers) {
      value.number = value.text.empty() ? 0 : static_cast<double>(integers_.values[column.position - 1]);
    }
  }
  return true;
}

// Integers with a sign, or of more digits.
bool CriteoDecoder::ReadOthers(std::uint32_t fields) {
  for (; fields != 0; fields &= fields - 1) {
    const int field = std::countr_zero(fields);
    std::int64_t value;
    if (!ParseInteger(Field(1 + field), &value) || value == IntegerFields::kMissing) return false;
    integers_.values[field] = value;
  }
  return true;
}

void CriteoDecoder::AddFeatures(Minibatch* minibatch) {
  if (!ordinary_) return RowDecoder::AddFeatures(minibatch);
  Key* const keys = encoder_.key_of_.data();
  if (tokens_.fields() > 0) tokens_.HashFields(line_, ends_.data(), keys);
  if (buckets_.features() > 0) buckets_.Find(integers_, keys + tokens_.fields());
  encoder_.AddRow(row_, tokens_.fields() + buckets_.features(), minibatch);
}

}  // namespace sherd
