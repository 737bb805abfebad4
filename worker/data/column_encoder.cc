#include "worker/data/column_encoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <tuple>

#include "worker/data/huge_pages.h"
#include "worker/data/row_gather.h"

namespace sherd {
namespace {

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
  if (one_a_row) columns_.push_back(index);
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
  MakeRuns();
  return {};
}

void ColumnEncoder::MakeRuns() {
  const auto place = [this](int use) { return std::tuple(uses_[use].target, uses_[use].table, uses_[use].field); };
  std::ranges::sort(columns_, {}, place);
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Use& use = uses_[columns_[i]];
    const Run* const last = runs_.empty() ? nullptr : &runs_.back();
    const bool beside = last != nullptr && last->target == use.target && last->table == use.table &&
                        last->field + static_cast<int>(last->columns) == use.field;
    if (!beside) runs_.push_back({use.target, use.table, use.field, i, 0, {}});
    use.run = static_cast<int>(runs_.size()) - 1;
    ++runs_.back().columns;
    runs_.back().uses.push_back(columns_[i]);
  }
  for (std::size_t i = 0; i < uses_.size(); ++i) {
    Use& use = uses_[i];
    if (use.run >= 0) continue;
    use.run = static_cast<int>(runs_.size());
    runs_.push_back({use.target, use.table, use.field, columns_.size(), 0, {static_cast<int>(i)}});
  }
}

namespace {

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
  block->keys.resize(runs_.size());
  block->numbers.resize(runs_.size());
  block->begins.resize(columns_.size());
  block->offsets.resize(file_.streams().columns.size());
  for (const Run& run : runs_) RETURN_IF_ERROR(MakeRun(run, block));
  RETURN_IF_ERROR(MakeIds(block));
  for (const ListedField& field : listed_) {
    if (field.column >= 0) RETURN_IF_ERROR(MakeOffsets(field.column, block));
  }
  return {};
}

Status ColumnEncoder::MakeRun(const Run& run, BlockFeatures* block) const {
  std::vector<std::size_t> begins = {0};
  for (const int use : run.uses) begins.push_back(begins.back() + TableSize(block->block.streams[uses_[use].stream]));
  const std::size_t index = &run - runs_.data();
  const bool keyed = run.target == Target::kKeys || run.target == Target::kGroups;
  if (keyed) {
    block->keys[index].Resize(begins.back());
    AskForHugePages(&block->keys[index]);
  }
  if (!keyed) block->numbers[index].resize(begins.back());
  for (std::size_t i = 0; i < run.uses.size(); ++i) {
    RETURN_IF_ERROR(MakeTable(uses_[run.uses[i]], *block, block->keys[index].data() + begins[i],
                              block->numbers[index].data() + begins[i]));
  }
  for (std::size_t i = 0; i < run.columns; ++i) {
    block->begins[run.column + i] = static_cast<std::int64_t>(begins[i]);
  }
  return {};
}

// What a use makes of each entry of its stream: keys or numbers.
Status ColumnEncoder::MakeTable(const Use& use, const BlockFeatures& block, Key* keys, float* numbers) const {
  const BlockStream& stream = block.block.streams[use.stream];
  const bool keyed = use.target == Target::kKeys || use.target == Target::kGroups;
  if (stream.header.kind == Entries::kKeys) {
    if (stream.header.entries > 0) std::memcpy(keys, stream.payload, sizeof(Key) * stream.header.entries);
    const TokenNumbers* const known = use.target == Target::kKeys ? encoder_.keyed_[use.feature].numbers : nullptr;
    for (std::uint32_t i = 0; known != nullptr && i < stream.header.entries; ++i) keys[i] = known->KeyOf(keys[i]);
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
  return good ? Status() : file_.Damaged(block.block.index, use.stream, "a number that can not be");
}

Status ColumnEncoder::MakeIds(BlockFeatures* block) const {
  std::vector<const BlockStream*> streams;
  for (const int use : columns_) streams.push_back(&block->block.streams[uses_[use].stream]);
  const std::vector<std::uint64_t> largest = block->ids.Fill(block->block, streams);
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (streams[i]->direct() || largest[i] < streams[i]->header.entries) continue;
    return file_.Damaged(block->block.index, uses_[columns_[i]].stream, "a value that the block does not have");
  }
  return {};
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
  return block.numbers[uses_[label_use_].run][block.block.streams[RowFileStreams::kLabel].id(row)];
}

bool ColumnEncoder::has_bad_labels(const BlockFeatures& block) const {
  const std::vector<float>& labels = block.numbers[uses_[label_use_].run];
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
    while (end < rows.size() && rows[end].block == rows[begin].block) ++end;
    FillRows(*window[rows[begin].block], rows.subspan(begin, end - begin), minibatch);
    begin = end;
  }
  RETURN_IF_ERROR(FillListed(window, rows, minibatch));
  FillCrosses(minibatch);
  encoder_.End(minibatch);
  return {};
}

void ColumnEncoder::FillRows(const BlockFeatures& block, std::span<const PickedRow> rows, Minibatch* minibatch) {
  rows_.clear();
  places_.clear();
  for (const PickedRow& row : rows) {
    rows_.push_back(row.row);
    places_.push_back(row.place);
  }
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (runs_[i].columns > 0) FillRun(static_cast<int>(i), block, minibatch);
  }
}

void ColumnEncoder::FillRun(int index, const BlockFeatures& block, Minibatch* minibatch) const {
  const Run& run = runs_[index];
  const Key* const keys = block.keys[index].data();
  const float* const numbers = block.numbers[index].data();
  switch (run.target) {
    case Target::kKeys:
      return GatherRun(index, block, keys, minibatch->tables[run.table].keys.data() + run.field,
                       encoder_.tables_[run.table].features.size());
    case Target::kKeyWeights:
      return GatherRun(index, block, numbers, minibatch->tables[run.table].weights.data() + run.field,
                       encoder_.tables_[run.table].features.size());
    case Target::kGroups:
      if (options_.groups) GatherRun(index, block, keys, minibatch->groups.data(), 1);
      return;
    case Target::kNumbers:
      return GatherRun(index, block, numbers, minibatch->numbers.data() + run.field, encoder_.numbers_.size());
    case Target::kLabels:
      return GatherRun(index, block, numbers, minibatch->labels.data(), 1);
    case Target::kWeights:
      return GatherRun(index, block, numbers, minibatch->weights.data(), 1);
  }
}

template <typename T>
void ColumnEncoder::GatherRun(int index, const BlockFeatures& block, const T* values, T* out,
                              std::size_t stride) const {
  const Run& run = runs_[index];
  block.ids.Visit([&](const auto* ids) {
    GatherRows(IdColumns{ids + run.column, block.ids.stride(), block.begins.data() + run.column, run.columns},
               {rows_.data(), places_.data(), rows_.size()}, values, out, stride);
  });
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
    keys->keys.push_back(block.keys[use.run][id]);
    if (field.weight_use >= 0) {
      const BlockStream& beside = block.block.streams[uses_[field.weight_use].stream];
      keys->weights.push_back(block.numbers[uses_[field.weight_use].run][beside.id(i)] * share);
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
