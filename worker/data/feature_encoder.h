#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"
#include "worker/data/log_bucket.h"
#include "worker/data/minibatch.h"
#include "worker/data/row_parser.h"
#include "worker/data/schema.h"
#include "worker/data/token_hasher.h"
#include "worker/data/token_numbers.h"

namespace sherd {

// The key of a token of a categorical feature. An integer is its own key where `token_is_key` says so.
Key CategoricalKey(std::uint64_t field_hash, bool token_is_key, std::string_view token);

// From rows to the columns of a minibatch: keys by table and field, numbers. A missing value is the empty token, or a
// bucket of its own: every field has a key in every row, save libsvm's list of features, which may be empty. Confined
// to one thread.
class FeatureEncoder {
 public:
  // `layout` must stay. Invalid when statistics lack a feature that goes by them. `vocabularies`: those of the
  // statistics, for who makes many encoders; null: they are made here.
  static Result<FeatureEncoder> Make(const FeatureLayout& layout, const Schema& schema,
                                     const proto::Statistics& statistics,
                                     std::shared_ptr<const Vocabularies> vocabularies = nullptr);

  // Empties the keys and numbers of a minibatch that will have at most so many rows.
  void Begin(std::uint32_t max_rows, Minibatch* minibatch) const;
  // Adds a row behind the minibatch->rows that it has; counting it is the caller's.
  void Add(const Row& row, Minibatch* minibatch);
  // After the last row.
  void End(Minibatch* minibatch) const;

 private:
  friend class ColumnEncoder;  // the same features of whole columns
  friend class CriteoDecoder;  // makes the first keys of a row itself
  enum class Kind { kToken, kKeyToken, kLogBucket, kEdgeBucket, kCross, kTokens, kOccurrences };
  struct KeyedFeature {
    Kind kind;
    int column;  // of the row; -1: none
    std::uint64_t field_hash;
    bool token_is_key, mean, valued;
    std::string separator;
    std::vector<double> edges;     // ascending
    std::vector<int> crossed;      // indexes in keyed_
    std::vector<Key> bucket_keys;  // of the first buckets
    Key missing_key;               // in place of a bucket's
    const TokenNumbers* numbers;   // null: no vocabulary
  };
  struct NumberFeature {
    int column;
    proto::Number::Transform transform;
    double offset, factor;  // (transformed - offset) * factor
    float missing;
  };
  // Fields of a table whose features follow one another in keyed_.
  struct Run {
    int first, count;
  };
  struct Table {
    std::vector<int> features;  // by field: index in keyed_
    std::vector<Run> runs;      // the same
    bool listed = false;        // some field has any number of keys, so offsets are needed
    bool weighted = false;
  };

  explicit FeatureEncoder(std::shared_ptr<const Vocabularies> vocabularies) : vocabularies_(std::move(vocabularies)) {}
  Status AddNumber(const FeatureLayout::FeatureColumn& feature, int column, const proto::Statistics& statistics);
  Status AddKeyed(const FeatureLayout& layout, const Schema& schema, int feature, const proto::Statistics& statistics);

  static Key TokenKeyOf(const KeyedFeature& feature, std::string_view token);
  // The keys of the first features stand in key_of_; the row's values need only hold what the others are made of.
  void AddRow(const Row& row, std::size_t known, Minibatch* minibatch);
  Key SingleKey(const KeyedFeature& feature, const Row& row) const;
  Key BucketKey(const KeyedFeature& feature, const Value& value) const;
  float NumberOf(const NumberFeature& feature, const Value& value) const;
  double Log1p(double x) const;
  static std::vector<Run> RunsOf(const std::vector<int>& features);
  void AddDense(const Table& table, const Row& row, std::uint32_t index, TableKeys* keys) const;
  void AddListed(const Table& table, const Row& row, TableKeys* keys) const;
  void AddTokens(const KeyedFeature& feature, std::string_view text, TableKeys* keys) const;
  void AddOccurrences(const KeyedFeature& feature, const Row& row, TableKeys* keys) const;

  // First the kToken ones, which hasher_ knows, then kLogBucket; crosses after what they cross.
  std::vector<KeyedFeature> keyed_;
  std::vector<int> numbered_;  // indexes of the kToken ones that have vocabularies
  std::shared_ptr<const Vocabularies> vocabularies_;
  TokenHasher hasher_;
  std::vector<NumberFeature> numbers_;
  std::vector<Table> tables_;
  std::vector<Key> key_of_;    // by index in keyed_: of the row at hand, where it is one
  std::vector<double> log1p_;  // of the first integers, which are most of what there is
  const LogBuckets* log_buckets_ = &LogBuckets::Shared();
};

}  // namespace sherd
