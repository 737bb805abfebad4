#include "worker/data/column_encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

namespace sherd {
namespace {

constexpr std::size_t kTile = 4096;

// Entries, and room for any id that its bits can say.
std::size_t TableSize(const BlockStream& stream) {
  return stream.direct() ? stream.header.entries : std::size_t{1} << stream.header.id_bits;
}

}  // namespace

Result<ColumnEncoder> ColumnEncoder::Make(const FeatureLayout& layout, const Schema& schema,
                                          const proto::Statistics& statistics, const RowFile& file, Options options,
                                          std::shared_ptr<const Vocabularies> vocabularies) {
  ASSIGN_OR_RETURN(FeatureEncoder encoder, FeatureEncoder::Make(layout, schema, statistics, std::move(vocabularies)));
  ColumnEncoder made(std::move(encoder), file, options);
  RETURN_IF_ERROR(made.AddUses(layout, schema));
  return made;
}

int ColumnEncoder::FileColumn(std::string_view name) const {
  const auto& columns = file_.schema().column();
  for (int i = 0; i < columns.size(); ++i) {
    if (columns[i].name() == name) return i;
  }
  LOG(FATAL) << "the schema has a column that the file has not: " << name;
}

int ColumnEncoder::AddUse(const Use& use, bool one_a_row) {
  const int index = static_cast<int>(uses_.size());
  uses_.push_back(use);
  if (one_a_row) by_stream_.push_back(index);
  return index;
}

Status ColumnEncoder::AddUses(const FeatureLayout& layout, const Schema& schema) {
  const RowFileStreams& streams = file_.streams();
  label_use_ = AddUse({.target = Target::kLabels, .stream = RowFileStreams::kLabel}, true);
  if (streams.weight >= 0) AddUse({.target = Target::kWeights, .stream = streams.weight}, true);
  if (schema.group >= 0) {
    const RowFileStreams::Column& group = streams.columns[FileColumn(schema.columns[schema.group].name)];
    if (group.counts >= 0) return Status::Invalid("evaluation.group_by: a list of tokens is no group");
    AddUse({.target = Target::kGroups, .stream = group.values}, true);
  }
  for (std::size_t i = 0; i < encoder_.numbers_.size(); ++i) {
    const int column = FileColumn(schema.columns[encoder_.numbers_[i].column].name);
    const int number = static_cast<int>(i);
    AddUse({.target = Target::kNumbers, .stream = streams.columns[column].values, .feature = number, .field = number},
           true);
  }
  listed_.resize(encoder_.keyed_.size());
  for (const FeatureLayout::FeatureColumn& feature : layout.features) {
    if (feature.config->has_number()) continue;
    if (feature.config->has_cross()) {
      AddCross(layout, feature);
    } else {
      RETURN_IF_ERROR(AddKeyed(feature, schema));
    }
  }
  std::stable_sort(by_stream_.begin(), by_stream_.end(),
                   [this](int a, int b) { return uses_[a].stream < uses_[b].stream; });
  return {};
}

namespace {

// The ids of rows, straight out of a stream; and once they were found.
struct PackedIds {
  PackedIntegers packed;
  const std::uint32_t* rows;
  std::uint32_t operator[](std::size_t i) const { return static_cast<std::uint32_t>(packed[rows[i]]); }
};
struct FoundIds {
  const std::uint32_t* ids;
  std::uint32_t operator[](std::size_t i) const { return ids[i]; }
};

// Why a categorical feature can not be made from a column; empty: it can.
std::string Unfit(const FeatureLayout::FeatureColumn& feature, const proto::RowFileColumn& column) {
  const proto::Categorical& categorical = feature.config->categorical();
  if (column.kind() == proto::RowFileColumn::NUMBER) {
    return "holds numbers, not their texts; use a bucket, or convert the column as TOKEN";
  }
  if (categorical.separator() != column.separator()) {
    const std::string has = column.has_separator() ? "was cut at \"" + column.separator() + "\"" : "was not cut";
    return has + " into tokens; give the feature this separator, or convert the file with the feature's";
  }
  if (column.kind() == proto::RowFileColumn::TOKEN) return {};
  if (feature.name != column.name()) {
    return "holds keys, which are those of a feature of the column's name; name the feature \"" + column.name() +
           "\", or convert the file with the column's tokens kept";
  }
  if (categorical.token_is_key() != column.token_is_key()) {
    return std::string("was converted ") + (column.token_is_key() ? "with" : "without") +
           " token_is_key; set the feature so, or convert the file again";
  }
  return {};
}

}  // namespace

void ColumnEncoder::AddCross(const FeatureLayout& layout, const FeatureLayout::FeatureColumn& feature) {
  Cross& cross = crosses_.emplace_back(Cross{{feature.table, feature.field}, HashBytes(feature.name), {}});
  for (const int part : feature.crossed) {
    cross.parts.push_back({layout.features[part].table, layout.features[part].field});
  }
}

Status ColumnEncoder::AddKeyed(const FeatureLayout::FeatureColumn& feature, const Schema& schema) {
  const int index = encoder_.tables_[feature.table].features[feature.field];
  const FeatureEncoder::KeyedFeature& keyed = encoder_.keyed_[index];
  const int column = FileColumn(keyed.column < 0 ? kFeaturesColumn : schema.columns[keyed.column].name);
  const proto::RowFileColumn& config = file_.schema().column(column);
  const std::string unfit = feature.config->has_bucket() ? "" : Unfit(feature, config);
  if (!unfit.empty()) {
    return Status::Invalid("feature " + feature.name + ": column " + config.name() + " of " + file_.path() + " " +
                           unfit);
  }
  const RowFileStreams::Column& streams = file_.streams().columns[column];
  const bool dense = !encoder_.tables_[feature.table].listed;
  Use use = {Target::kKeys, streams.values, index, feature.table, feature.field};
  ListedField& listed = listed_[index];
  listed.use = AddUse(use, dense);
  if (config.list()) listed.column = column;
  if (streams.beside < 0) return {};
  use.target = Target::kKeyWeights;
  use.stream = streams.beside;
  listed.weight_use = AddUse(use, dense);
  return {};
}

std::vector<bool> ColumnEncoder::wanted() const {
  std::vector<bool> wanted(file_.streams().count, false);
  for (const Use& use : uses_) wanted[use.stream] = true;
  for (const ListedField& field : listed_) {
    if (field.column >= 0) wanted[file_.streams().columns[field.column].counts] = true;
  }
  return wanted;
}

Key ColumnEncoder::KeyOf(const Use& use, const Value& value) const {
  if (use.target == Target::kGroups) {
    return value.text.empty() ? 0 : Mix(HashBytes(value.text), std::bit_cast<std::uint64_t>(value.number));
  }
  const FeatureEncoder::KeyedFeature& keyed = encoder_.keyed_[use.feature];
  switch (keyed.kind) {
    case FeatureEncoder::Kind::kLogBucket:
    case FeatureEncoder::Kind::kEdgeBucket:
      return encoder_.BucketKey(keyed, value);
    default:
      return FeatureEncoder::TokenKeyOf(keyed, value.text);
  }
}

// What is no label is NaN.
float ColumnEncoder::NumberOf(const Use& use, double number) const {
  switch (use.target) {
    case Target::kNumbers:
      return encoder_.NumberOf(encoder_.numbers_[use.feature], {IsMissing(number) ? "" : "number", number});
    case Target::kLabels:
      if (!options_.labels) return IsMissing(number) ? 0.0f : static_cast<float>(number);
      return LabelOf(number, options_.log_loss);
    default:
      return static_cast<float>(number);
  }
}

Status ColumnEncoder::Prepare(BlockFeatures* block) const {
  block->keys.resize(uses_.size());
  block->numbers.resize(uses_.size());
  block->offsets.resize(file_.streams().columns.size());
  for (std::size_t i = 0; i < uses_.size(); ++i) RETURN_IF_ERROR(MakeTable(static_cast<int>(i), block));
  for (const ListedField& field : listed_) {
    if (field.column >= 0) RETURN_IF_ERROR(MakeOffsets(field.column, block));
  }
  return {};
}

Status ColumnEncoder::MakeTable(int index, BlockFeatures* block) const {
  const Use& use = uses_[index];
  const BlockStream& stream = block->block.streams[use.stream];
  const bool keyed = use.target == Target::kKeys || use.target == Target::kGroups;
  std::vector<Key>& keys = block->keys[index];
  std::vector<float>& numbers = block->numbers[index];
  if (keyed) keys.resize(TableSize(stream));
  if (!keyed) numbers.resize(TableSize(stream));
  if (stream.header.kind == Entries::kKeys) {
    if (stream.header.entries > 0) std::memcpy(keys.data(), stream.payload, sizeof(Key) * stream.header.entries);
    const TokenNumbers* const numbers = use.target == Target::kKeys ? encoder_.keyed_[use.feature].numbers : nullptr;
    for (std::uint32_t i = 0; numbers != nullptr && i < stream.header.entries; ++i) keys[i] = numbers->KeyOf(keys[i]);
    return {};
  }
  if (stream.header.kind == Entries::kTokens) {
    ForEachText(stream, [&](std::uint32_t i, std::string_view token) { keys[i] = KeyOf(use, {token, 0}); });
    return {};
  }
  bool good = true;
  ForEachNumber(stream, [&](std::uint32_t i, double number) {
    good = good && (IsMissing(number) || std::isfinite(static_cast<float>(number)));
    if (use.target == Target::kWeights) good = good && number >= 0;
    if (!good) return;
    if (keyed) keys[i] = KeyOf(use, {IsMissing(number) ? "" : "number", number});
    if (!keyed) numbers[i] = NumberOf(use, number);
  });
  return good ? Status() : file_.Damaged(block->block.index, use.stream, "a number that can not be");
}

Status ColumnEncoder::MakeOffsets(int column, BlockFeatures* block) const {
  const RowFileStreams::Column& streams = file_.streams().columns[column];
  const BlockStream& counts = block->block.streams[streams.counts];
  const std::uint32_t values = block->block.streams[streams.values].header.values;
  std::vector<std::uint32_t> of_entry(TableSize(counts), kMaxFeatures + 1);
  ForEachNumber(counts, [&](std::uint32_t i, double number) {
    if (number >= 0 && number <= kMaxFeatures) of_entry[i] = static_cast<std::uint32_t>(number);
  });
  std::vector<std::uint32_t>& offsets = block->offsets[column];
  offsets.assign(1, 0);
  bool good = true;
  for (std::uint32_t row = 0; row < block->block.rows && good; ++row) {
    const std::uint32_t count = of_entry[counts.id(row)];
    good = count <= kMaxFeatures && count <= values - offsets.back();
    offsets.push_back(offsets.back() + count);
  }
  if (good && offsets.back() == values) return {};
  return file_.Damaged(block->block.index, streams.counts, "lists are not as long as they should");
}

float LabelOf(double number, bool log_loss) {
  if (!log_loss || number == 0 || number == 1) return static_cast<float>(number);
  return number == -1 ? 0.0f : std::nanf("");
}

float ColumnEncoder::LabelAt(const BlockFeatures& block, std::uint32_t row) const {
  return block.numbers[label_use_][block.block.streams[RowFileStreams::kLabel].id(row)];
}

bool ColumnEncoder::has_bad_labels(const BlockFeatures& block) const {
  const std::vector<float>& labels = block.numbers[label_use_];
  return std::any_of(labels.begin(), labels.end(), [](float label) { return std::isnan(label); });
}

Status ColumnEncoder::Fill(std::span<const BlockFeatures* const> window, std::span<const PickedRow> rows,
                           Minibatch* minibatch) {
  const auto count = static_cast<std::uint32_t>(rows.size());
  encoder_.Begin(count, minibatch);
  minibatch->rows = count;
  minibatch->labels.resize(count);
  if (file_.streams().weight >= 0) minibatch->weights.resize(count);
  if (options_.groups) minibatch->groups.resize(count);
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;
    while (end < rows.size() && end < begin + kTile && rows[end].block == rows[begin].block) ++end;
    RETURN_IF_ERROR(FillTile(*window[rows[begin].block], rows.subspan(begin, end - begin), minibatch));
    begin = end;
  }
  RETURN_IF_ERROR(FillListed(window, rows, minibatch));
  FillCrosses(minibatch);
  encoder_.End(minibatch);
  return {};
}

Status ColumnEncoder::FillTile(const BlockFeatures& block, std::span<const PickedRow> rows, Minibatch* minibatch) {
  rows_.clear();
  places_.clear();
  for (const PickedRow& row : rows) {
    rows_.push_back(row.row);
    places_.push_back(row.place);
  }
  consecutive_ =
      places_.back() - places_.front() + 1 == places_.size() && std::is_sorted(places_.begin(), places_.end());
  for (std::size_t i = 0; i < by_stream_.size();) {
    const int stream = uses_[by_stream_[i]].stream;
    std::size_t end = i + 1;
    while (end < by_stream_.size() && uses_[by_stream_[end]].stream == stream) ++end;
    const BlockStream& from = block.block.streams[stream];
    if (end == i + 1 && !from.direct()) {  // most are like this
      const PackedIds ids{from.ids, rows_.data()};
      RETURN_IF_ERROR(CheckIds(block, stream, FillUse(by_stream_[i], block, ids, minibatch)));
    } else {
      RETURN_IF_ERROR(CheckIds(block, stream, FindIds(from)));
      for (std::size_t u = i; u < end; ++u) FillUse(by_stream_[u], block, FoundIds{ids_.data()}, minibatch);
    }
    i = end;
  }
  return {};
}

// The ids of a tile's rows into ids_; the largest of them.
std::uint32_t ColumnEncoder::FindIds(const BlockStream& stream) {
  const std::size_t count = rows_.size();
  ids_.resize(count);
  std::uint32_t* const ids = ids_.data();
  if (stream.direct()) {
    std::copy(rows_.begin(), rows_.end(), ids);
    return 0;
  }
  const PackedIntegers packed = stream.ids;
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    ids[i] = static_cast<std::uint32_t>(packed[rows_[i]]);
    largest = std::max(largest, ids[i]);
  }
  return largest;
}

Status ColumnEncoder::CheckIds(const BlockFeatures& block, int stream, std::uint32_t largest) const {
  if (largest < block.block.streams[stream].header.entries) return {};
  return file_.Damaged(block.block.index, stream, "a value that the block does not have");
}

// The largest id, where ids were not looked at before.
template <typename T, typename Ids>
std::uint32_t ColumnEncoder::Scatter(const std::vector<T>& table, const Ids& ids, T* out, std::size_t stride) const {
  const T* const values = table.data();
  const std::uint32_t* const places = places_.data();
  const std::size_t count = places_.size();
  std::uint32_t largest = 0;
  if (consecutive_) {
    out += places[0] * stride;
    for (std::size_t i = 0; i < count; ++i, out += stride) {
      const std::uint32_t id = ids[i];
      largest = std::max(largest, id);
      *out = values[id];
    }
    return largest;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t id = ids[i];
    largest = std::max(largest, id);
    out[places[i] * stride] = values[id];
  }
  return largest;
}

template <typename Ids>
std::uint32_t ColumnEncoder::FillUse(int index, const BlockFeatures& block, const Ids& ids,
                                     Minibatch* minibatch) const {
  const Use& use = uses_[index];
  switch (use.target) {
    case Target::kKeys:
      return Scatter(block.keys[index], ids, minibatch->tables[use.table].keys.data() + use.field,
                     encoder_.tables_[use.table].features.size());
    case Target::kKeyWeights:
      return Scatter(block.numbers[index], ids, minibatch->tables[use.table].weights.data() + use.field,
                     encoder_.tables_[use.table].features.size());
    case Target::kGroups:
      if (!options_.groups) return 0;
      return Scatter(block.keys[index], ids, minibatch->groups.data(), 1);
    case Target::kNumbers:
      return Scatter(block.numbers[index], ids, minibatch->numbers.data() + use.field, encoder_.numbers_.size());
    case Target::kLabels:
      return Scatter(block.numbers[index], ids, minibatch->labels.data(), 1);
    case Target::kWeights:
      return Scatter(block.numbers[index], ids, minibatch->weights.data(), 1);
  }
  return 0;
}

Status ColumnEncoder::FillListed(std::span<const BlockFeatures* const> window, std::span<const PickedRow> rows,
                                 Minibatch* minibatch) {
  by_place_.resize(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) by_place_[rows[i].place] = static_cast<std::uint32_t>(i);
  for (std::size_t t = 0; t < encoder_.tables_.size(); ++t) {
    const FeatureEncoder::Table& table = encoder_.tables_[t];
    if (!table.listed) continue;
    TableKeys& keys = minibatch->tables[t];
    for (const std::uint32_t i : by_place_) {
      for (const int keyed : table.features) {
        RETURN_IF_ERROR(AddCell(*window[rows[i].block], rows[i].row, keyed, &keys));
        if (table.weighted) keys.weights.resize(keys.keys.size(), 1.0f);  // those that have none yet
        keys.offsets.push_back(static_cast<std::uint32_t>(keys.keys.size()));
      }
    }
  }
  return {};
}

Status ColumnEncoder::AddCell(const BlockFeatures& block, std::uint32_t row, int keyed, TableKeys* keys) const {
  const ListedField& field = listed_[keyed];
  const Use& use = uses_[field.use];
  const BlockStream& stream = block.block.streams[use.stream];
  std::uint32_t begin = row, end = row + 1;
  if (field.column >= 0) {
    begin = block.offsets[field.column][row];
    end = block.offsets[field.column][row + 1];
  }
  const float share = encoder_.keyed_[keyed].mean && field.column >= 0 ? 1.0f / static_cast<float>(end - begin) : 1.0f;
  for (std::uint32_t i = begin; i < end; ++i) {
    const std::size_t id = stream.id(i);
    if (id >= stream.header.entries) {
      return file_.Damaged(block.block.index, use.stream, "a value that the block does not have");
    }
    keys->keys.push_back(block.keys[field.use][id]);
    if (field.weight_use >= 0) {
      const BlockStream& beside = block.block.streams[uses_[field.weight_use].stream];
      keys->weights.push_back(block.numbers[field.weight_use][beside.id(i)] * share);
    } else if (encoder_.keyed_[keyed].mean && field.column >= 0) {
      keys->weights.push_back(share);
    }
  }
  return {};
}

// Their tables hold nothing but crosses, and what they cross has one key a row.
void ColumnEncoder::FillCrosses(Minibatch* minibatch) const {
  for (const Cross& cross : crosses_) {
    const std::size_t stride = encoder_.tables_[cross.place.table].features.size();
    Key* const keys = minibatch->tables[cross.place.table].keys.data() + cross.place.field;
    for (std::uint32_t row = 0; row < minibatch->rows; ++row) {
      Key key = PartKey(*minibatch, cross.parts[0], row);
      for (std::size_t i = 1; i < cross.parts.size(); ++i) {
        key = CrossKey(cross.field_hash, key, PartKey(*minibatch, cross.parts[i], row));
      }
      keys[row * stride] = key;
    }
  }
}

Key ColumnEncoder::PartKey(const Minibatch& minibatch, const Field& part, std::uint32_t row) const {
  const TableKeys& keys = minibatch.tables[part.table];
  const std::size_t cell = std::size_t{row} * encoder_.tables_[part.table].features.size() + part.field;
  return keys.keys[keys.offsets.empty() ? cell : keys.offsets[cell]];
}

}  // namespace sherd
