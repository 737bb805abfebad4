#include "worker/data/feature_encoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "worker/data/number_text.h"
#include "worker/data/token_list.h"

namespace sherd {
namespace {

constexpr int kSmall = 1024;               // integers below have their logarithm in a table
constexpr std::int64_t kBucketKeys = 256;  // buckets below have their key in one

// The index of x in a table of small integers, or -1.
int SmallIndex(double x) {
  if (!(x >= 0 && x < kSmall)) return -1;
  const int i = static_cast<int>(x);
  return i == x ? i : -1;
}

bool IsByEdges(const proto::Bucket& bucket) { return bucket.has_quantiles() || bucket.edge_size() > 0; }

// The order in which features are encoded.
enum class Turn { kTokens, kLogBuckets, kOthers, kCrosses };

Turn TurnOf(const proto::Feature& config, const Schema& schema, int column) {
  const bool occurrences = column >= 0 && schema.columns[column].occurrences;
  if (config.has_cross()) return Turn::kCrosses;
  if (config.has_bucket()) return IsByEdges(config.bucket()) ? Turn::kOthers : Turn::kLogBuckets;
  const proto::Categorical& categorical = config.categorical();
  const bool single = column >= 0 && categorical.separator().empty() && !occurrences;
  return single && !categorical.token_is_key() ? Turn::kTokens : Turn::kOthers;
}

Status Lacks(const std::string& feature) {
  return Status::Invalid("feature " + feature + ": needs statistics of the training rows, which are not there");
}

Result<const proto::ColumnStatistics*> Find(const proto::Statistics& statistics, const std::string& feature) {
  for (const proto::ColumnStatistics& one : statistics.column()) {
    if (one.name() == feature) return &one;
  }
  return Lacks(feature);
}

}  // namespace

Key CategoricalKey(std::uint64_t field_hash, bool token_is_key, std::string_view token) {
  std::uint64_t key;
  if (token_is_key && ParseKey(token, &key)) return key;
  return TokenKey(field_hash, token);
}

Result<FeatureEncoder> FeatureEncoder::Make(const FeatureLayout& layout, const Schema& schema,
                                            const proto::Statistics& statistics,
                                            std::shared_ptr<const Vocabularies> vocabularies) {
  if (vocabularies == nullptr) vocabularies = Vocabularies::Make(layout, statistics);
  FeatureEncoder encoder(std::move(vocabularies));
  for (int i = 0; i < kSmall; ++i) encoder.log1p_.push_back(std::log(1.0 + i));
  for (const FeatureLayout::TableFields& table : layout.tables) {
    encoder.tables_.emplace_back().features.resize(table.features.size());
  }
  for (const int feature : layout.numbers) {
    RETURN_IF_ERROR(encoder.AddNumber(layout.features[feature], schema.feature_column[feature], statistics));
  }
  for (const Turn turn : {Turn::kTokens, Turn::kLogBuckets, Turn::kOthers, Turn::kCrosses}) {
    for (std::size_t i = 0; i < layout.features.size(); ++i) {
      const proto::Feature& config = *layout.features[i].config;
      if (config.has_number() || TurnOf(config, schema, schema.feature_column[i]) != turn) continue;
      RETURN_IF_ERROR(encoder.AddKeyed(layout, schema, static_cast<int>(i), statistics));
    }
  }
  for (Table& table : encoder.tables_) table.runs = RunsOf(table.features);
  encoder.key_of_.resize(encoder.keyed_.size() + TokenHasher::kSlack);
  return encoder;
}

Status FeatureEncoder::AddNumber(const FeatureLayout::FeatureColumn& feature, int column,
                                 const proto::Statistics& statistics) {
  const proto::Number& config = feature.config->number();
  NumberFeature number = {column, config.transform(), 0, config.scale(), static_cast<float>(config.missing())};
  if (config.transform() == proto::Number::STANDARDIZE || config.transform() == proto::Number::MIN_MAX) {
    ASSIGN_OR_RETURN(const proto::ColumnStatistics* known, Find(statistics, feature.name));
    const bool standardize = config.transform() == proto::Number::STANDARDIZE;
    const double spread = standardize ? known->deviation() : known->max() - known->min();
    number.offset = standardize ? known->mean() : known->min();
    // A column of one value tells nothing; the factor of a narrower spread would not be finite.
    constexpr double kLeastSpread = 1e-300;
    number.factor = spread >= kLeastSpread ? config.scale() / spread : 0;
  }
  numbers_.push_back(number);
  return {};
}

Status FeatureEncoder::AddKeyed(const FeatureLayout& layout, const Schema& schema, int feature,
                                const proto::Statistics& statistics) {
  const FeatureLayout::FeatureColumn& place = layout.features[feature];
  const proto::Feature& config = *place.config;
  const proto::Categorical& categorical = config.categorical();
  KeyedFeature keyed = {Kind::kToken,
                        schema.feature_column[feature],
                        HashBytes(place.name),
                        categorical.token_is_key(),
                        categorical.pooling() == proto::Categorical::MEAN,
                        false,
                        categorical.separator(),
                        {},
                        {},
                        {},
                        0,
                        nullptr};
  if (categorical.has_vocabulary()) {
    keyed.numbers = vocabularies_->Find(place.name);
    if (keyed.numbers == nullptr) return Lacks(place.name);
  }
  if (config.has_cross()) {
    keyed.kind = Kind::kCross;
    for (const int part : place.crossed) {
      const FeatureLayout::FeatureColumn& other = layout.features[part];
      keyed.crossed.push_back(tables_[other.table].features[other.field]);
    }
  } else if (config.has_bucket()) {
    keyed.kind = IsByEdges(config.bucket()) ? Kind::kEdgeBucket : Kind::kLogBucket;
    keyed.edges.assign(config.bucket().edge().begin(), config.bucket().edge().end());
    if (config.bucket().has_quantiles()) {
      ASSIGN_OR_RETURN(const proto::ColumnStatistics* known, Find(statistics, place.name));
      keyed.edges.assign(known->quantile_edge().begin(), known->quantile_edge().end());
    }
    keyed.missing_key = IntegerKey(keyed.field_hash, kMissingBucket);
    for (std::int64_t i = 0; i < kBucketKeys; ++i) {
      keyed.bucket_keys.push_back(IntegerKey(keyed.field_hash, static_cast<std::uint64_t>(i)));
    }
  } else if (keyed.column < 0 || schema.columns[keyed.column].occurrences) {
    keyed.kind = Kind::kOccurrences;
  } else if (!keyed.separator.empty()) {
    keyed.kind = Kind::kTokens;
  } else {
    keyed.valued = schema.columns[keyed.column].valued;
    if (keyed.token_is_key) keyed.kind = Kind::kKeyToken;
    if (!keyed.token_is_key) hasher_.AddField(keyed.column, keyed.field_hash);
    if (keyed.numbers != nullptr) numbered_.push_back(static_cast<int>(keyed_.size()));
  }
  Table& table = tables_[place.table];
  const bool listed = keyed.kind == Kind::kTokens || keyed.kind == Kind::kOccurrences;
  table.listed |= listed;
  table.weighted |= keyed.valued || keyed.kind == Kind::kOccurrences || (listed && keyed.mean);
  table.features[place.field] = static_cast<int>(keyed_.size());
  keyed_.push_back(std::move(keyed));
  return {};
}

void FeatureEncoder::Begin(std::uint32_t max_rows, Minibatch* minibatch) const {
  minibatch->tables.resize(tables_.size());
  minibatch->numbers.resize(std::size_t{max_rows} * numbers_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const std::size_t occurrences = std::size_t{max_rows} * tables_[t].features.size();
    TableKeys& keys = minibatch->tables[t];
    keys.offsets.clear();
    keys.weights.clear();
    if (tables_[t].listed) {
      keys.keys.clear();
      keys.offsets.push_back(0);
      continue;
    }
    keys.keys.resize(occurrences);
    if (tables_[t].weighted) keys.weights.assign(occurrences, 1.0f);
  }
}

void FeatureEncoder::Add(const Row& row, Minibatch* minibatch) {
  if (hasher_.fields() > 0) hasher_.Hash(row.values, key_of_.data());
  AddRow(row, hasher_.fields(), minibatch);
}

void FeatureEncoder::AddRow(const Row& row, std::size_t known, Minibatch* minibatch) {
  const std::uint32_t index = minibatch->rows;
  for (const int i : numbered_) key_of_[i] = keyed_[i].numbers->KeyOf(key_of_[i]);
  for (std::size_t i = known; i < keyed_.size(); ++i) {
    if (keyed_[i].kind < Kind::kTokens) key_of_[i] = SingleKey(keyed_[i], row);
  }
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (tables_[t].listed) {
      AddListed(tables_[t], row, &minibatch->tables[t]);
    } else {
      AddDense(tables_[t], row, index, &minibatch->tables[t]);
    }
  }
  float* numbers = minibatch->numbers.data() + std::size_t{index} * numbers_.size();
  for (const NumberFeature& number : numbers_) *numbers++ = NumberOf(number, row.values[number.column]);
}

void FeatureEncoder::End(Minibatch* minibatch) const {
  minibatch->numbers.resize(std::size_t{minibatch->rows} * numbers_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    TableKeys& keys = minibatch->tables[t];
    if (!tables_[t].listed) {
      keys.keys.resize(std::size_t{minibatch->rows} * tables_[t].features.size());
      if (tables_[t].weighted) keys.weights.resize(keys.keys.size());
    }
    // Libsvm files of ones are the rule; then nobody needs to multiply.
    if (std::all_of(keys.weights.begin(), keys.weights.end(), [](float w) { return w == 1; })) keys.weights.clear();
  }
}

Key FeatureEncoder::TokenKeyOf(const KeyedFeature& feature, std::string_view token) {
  const Key key = CategoricalKey(feature.field_hash, feature.token_is_key, token);
  return feature.numbers == nullptr ? key : feature.numbers->KeyOf(key);
}

Key FeatureEncoder::SingleKey(const KeyedFeature& feature, const Row& row) const {
  switch (feature.kind) {
    case Kind::kKeyToken:
      return CategoricalKey(feature.field_hash, feature.token_is_key, row.values[feature.column].text);
    case Kind::kLogBucket:
    case Kind::kEdgeBucket:
      return BucketKey(feature, row.values[feature.column]);
    case Kind::kCross: {
      Key key = key_of_[feature.crossed[0]];
      for (std::size_t i = 1; i < feature.crossed.size(); ++i) {
        key = CrossKey(feature.field_hash, key, key_of_[feature.crossed[i]]);
      }
      return key;
    }
    case Kind::kToken:
    case Kind::kTokens:
    case Kind::kOccurrences:
      break;
  }
  LOG(FATAL) << "a feature of several keys, or one that the hasher knows";
}

Key FeatureEncoder::BucketKey(const KeyedFeature& feature, const Value& value) const {
  const bool missing = value.text.empty();
  std::int64_t bucket = 0;
  if (feature.kind == Kind::kLogBucket) {
    bucket = log_buckets_->Of(value.number);
  } else if (!missing) {
    bucket = std::upper_bound(feature.edges.begin(), feature.edges.end(), value.number) - feature.edges.begin();
  }
  if (bucket >= 0 && bucket < kBucketKeys) {
    // Chosen without a branch: whether a value is missing cannot be foreseen.
    const Key keys[2] = {feature.bucket_keys[bucket], feature.missing_key};
    return keys[missing];
  }
  return missing ? feature.missing_key : IntegerKey(feature.field_hash, static_cast<std::uint64_t>(bucket));
}

double FeatureEncoder::Log1p(double x) const {
  const int small = SmallIndex(x);
  return small >= 0 ? log1p_[small] : std::log(1 + std::max(x, 0.0));
}

float FeatureEncoder::NumberOf(const NumberFeature& feature, const Value& value) const {
  if (value.text.empty()) return feature.missing;
  const double x = feature.transform == proto::Number::LOG ? Log1p(value.number) : value.number;
  // A number that a double holds and a float does not is held to the largest float.
  constexpr double kLargest = 3.4028234663852886e38;
  return static_cast<float>(std::clamp((x - feature.offset) * feature.factor, -kLargest, kLargest));
}

std::vector<FeatureEncoder::Run> FeatureEncoder::RunsOf(const std::vector<int>& features) {
  std::vector<Run> runs;
  for (const int i : features) {
    if (runs.empty() || runs.back().first + runs.back().count != i) runs.push_back({i, 0});
    ++runs.back().count;
  }
  return runs;
}

void FeatureEncoder::AddDense(const Table& table, const Row& row, std::uint32_t index, TableKeys* keys) const {
  const std::size_t begin = index * table.features.size();
  Key* out = keys->keys.data() + begin;
  for (const Run& run : table.runs) {
    const Key* const from = key_of_.data() + run.first;
    if (run.count == 1) {
      *out++ = *from;
    } else {
      out = std::copy_n(from, run.count, out);
    }
  }
  if (!table.weighted) return;
  float* weight = keys->weights.data() + begin;
  for (const int i : table.features) {
    if (keyed_[i].valued) *weight = static_cast<float>(row.values[keyed_[i].column].number);
    ++weight;
  }
}

void FeatureEncoder::AddListed(const Table& table, const Row& row, TableKeys* keys) const {
  for (const int i : table.features) {
    const KeyedFeature& feature = keyed_[i];
    if (feature.kind == Kind::kTokens) {
      AddTokens(feature, row.values[feature.column].text, keys);
    } else if (feature.kind == Kind::kOccurrences) {
      AddOccurrences(feature, row, keys);
    } else {
      keys->keys.push_back(key_of_[i]);
    }
    if (table.weighted) {
      const float weight = feature.valued ? static_cast<float>(row.values[feature.column].number) : 1.0f;
      keys->weights.resize(keys->keys.size(), weight);  // those that have none yet
    }
    keys->offsets.push_back(static_cast<std::uint32_t>(keys->keys.size()));
  }
}

void FeatureEncoder::AddTokens(const KeyedFeature& feature, std::string_view text, TableKeys* keys) const {
  const std::size_t first = keys->keys.size();
  ForEachToken(text, feature.separator,
               [&](std::string_view token) { keys->keys.push_back(TokenKeyOf(feature, token)); });
  const std::size_t count = keys->keys.size() - first;
  if (feature.mean) keys->weights.resize(keys->keys.size(), 1.0f / static_cast<float>(count));
}

void FeatureEncoder::AddOccurrences(const KeyedFeature& feature, const Row& row, TableKeys* keys) const {
  const Occurrence wanted = {.token = {}, .value = 0, .column = feature.column};
  const auto [begin, end] =
      std::equal_range(row.occurrences.begin(), row.occurrences.end(), wanted,
                       [](const Occurrence& a, const Occurrence& b) { return a.column < b.column; });
  const float share = feature.mean && begin != end ? 1.0f / static_cast<float>(end - begin) : 1.0f;
  for (auto one = begin; one != end; ++one) {
    keys->keys.push_back(TokenKeyOf(feature, one->token));
    keys->weights.push_back(one->value * share);
  }
}

}  // namespace sherd
