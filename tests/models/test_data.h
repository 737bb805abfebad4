#pragma once

#include <glog/logging.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "models/feature_layout.h"
#include "models/model.h"
#include "models/neighbourhood.h"
#include "tests/models/testing_graph.h"

namespace sherd {

inline constexpr char kClicks[] = R"(
  data { format: CRITEO_TSV }
  feature { column: "C1..C3" }
  feature { column: "I1..I2" number { } }
  feature { cross { feature: "C1" feature: "C2" } })";
inline constexpr char kPairs[] = R"(
  data { format: USER_ITEM }
  feature { column: "user" table: "user" }
  feature { column: "item" table: "item" })";

inline constexpr char kWords[] = R"(
  data { format: USER_ITEM }
  feature { column: "item" table: "item" categorical { separator: " " } })";

inline constexpr char kTexts[] = R"(
  data { format: USER_ITEM }
  feature { column: "user" table: "user" }
  feature { name: "id" column: "item" table: "item" }
  feature { column: "item" table: "item" categorical { separator: " " } })";

inline constexpr char kHistories[] = R"(
  data { format: CRITEO_TSV }
  feature { column: "C1..C2" table: "item" })";
inline constexpr char kBags[] = R"(
  data { format: USER_ITEM user_item { rating_column: 2 bags { of: USER } } }
  feature { column: "history" table: "read" }
  feature { column: "targets" table: "told" })";

inline constexpr char kSequences[] = R"(
  data { format: USER_ITEM user_item { sequences { max_length: 2 } } }
  feature { column: "user" table: "user" }
  feature { column: "history" table: "item" }
  feature { column: "item" table: "item" })";
inline constexpr char kUserlessSequences[] = R"(
  data { format: USER_ITEM user_item { sequences { max_length: 2 } } }
  feature { column: "item" table: "item" }
  feature { column: "history" table: "item" })";

inline constexpr char kReversedSequences[] = R"(
  data { format: USER_ITEM user_item { sequences { max_length: 2 targets: REVERSED } } }
  feature { column: "history" table: "item" }
  feature { column: "item" table: "item" })";

// Of dqn, and of reinforce, which does not look ahead.
inline constexpr char kChoices[] = R"(
  data { format: CRITEO_TSV }
  feature { column: "C1..C2" table: "state" }
  feature { column: "C3..C4" table: "item" }
  feature { column: "I1" number { } })";
inline constexpr char kStatesAndChoices[] = R"(
  data { format: CRITEO_TSV }
  feature { column: "C1" table: "state" }
  feature { column: "C3..C4" table: "item" }
  feature { column: "I1" number { } })";

inline constexpr char kImages[] = R"(
  data { format: DELIMITED delimited { column { name: "y" } column { name: "p0..p15" type: FLOAT } label: "y" } }
  feature { column: "p0..p15" number { } })";

inline proto::Job JobOf(const std::string& text) {
  proto::Job job;
  CHECK(google::protobuf::TextFormat::ParseFromString(text, &job)) << text;
  return job;
}
// Minibatches for any model, and the rows they look up, as functions of the rows' ids: with CSR offsets (0 to 2
// occurrences a field, weighted) or with exactly one.
template <typename T>
class TestData {
 public:
  enum class Lookups { kOne, kMany };
  static constexpr std::uint32_t kUnique = 7;

  // For losses that compare rows, all of them are one group.
  TestData(const proto::Job& job, std::vector<std::uint64_t> ids, Lookups lookups)
      : ids_(std::move(ids)), grouped_(job.model().loss() == proto::Model::BPR) {
    const proto::ModelSpec spec = DescribeModel(job).value();
    const FeatureLayout layout = FeatureLayout::Make(job).value();
    tables_.resize(spec.table_size());
    for (int t = 0; t < spec.table_size(); ++t) {
      FillRows(spec.table(t), t);
      FillOccurrences(static_cast<std::uint32_t>(layout.tables[t].features.size()), t, lookups);
    }
    if (job.model().name() == "lightgcn") FillNeighbourhood(job.model().graph_convolution().layers());
    const FeatureLayout::FeatureColumn* targets = nullptr;  // those of bags or sequences, of which a row has several
    for (const auto& feature : layout.features) {
      const bool listed = feature.column == "targets" || job.data().user_item().has_sequences();
      if (listed && feature.column != "history" && feature.column != "user") targets = &feature;
    }
    std::uint64_t examples = 0;
    for (std::size_t r = 0; r < ids_.size(); ++r) {
      const std::uint64_t id = ids_[r];
      examples += targets != nullptr && lookups == Lookups::kMany ? OccurrencesOf(*targets, layout, r) : 1;
      while (labels_.size() < examples) {
        const std::uint64_t item = (id + labels_.size() - r) % 5;
        items_.push_back(item);
        log_shares_.push_back(-1 - static_cast<float>(item));
        labels_.push_back((id + labels_.size() - r) % 3 == 0 ? 1 : 0);
        weights_.push_back(static_cast<float>(id % 4) * 0.5f + 0.25f);
      }
      for (std::size_t n = 0; n < layout.numbers.size(); ++n) numbers_.push_back(static_cast<float>(nn::Value(id, n)));
      if (job.model().name() == "reinforce") numbers_.back() = 0.5f + 0.4f * numbers_.back();  // a probability
    }
  }

  Batch<T> batch() {
    Batch<T> batch;
    batch.rows = static_cast<std::uint32_t>(ids_.size());
    batch.labels = labels_;
    batch.weights = weights_;
    batch.numbers = numbers_;
    batch.row_ids = ids_;
    batch.epoch = 3;
    batch.items = items_;
    batch.log_shares = log_shares_;
    batch.neighbourhood = &neighbourhood_;
    if (grouped_ && !ids_.empty()) batch.group_rows = batch.rows;
    for (Table& t : tables_) {
      batch.tables.push_back({t.unique, t.offset, t.weight, {t.rows.data(), t.rows.size()}, t.gradient_rows});
    }
    return batch;
  }
  std::vector<T*> values() {
    std::vector<T*> all;
    for (Table& t : tables_) {
      for (T& v : t.values) all.push_back(&v);
    }
    return all;
  }
  std::vector<T> gradients() const {
    std::vector<T> all;
    for (const Table& t : tables_) all.insert(all.end(), t.gradients.begin(), t.gradients.end());
    return all;
  }

 private:
  struct Table {
    std::vector<T> values, gradients;
    std::vector<const T*> rows;
    std::vector<T*> gradient_rows;
    std::vector<std::uint32_t> unique, offset;
    std::vector<float> weight;
  };

  std::uint32_t OccurrencesOf(const FeatureLayout::FeatureColumn& feature, const FeatureLayout& layout,
                              std::size_t row) const {
    const auto& offset = tables_[feature.table].offset;
    const std::size_t cell = row * layout.tables[feature.table].features.size() + feature.field;
    return offset[cell + 1] - offset[cell];
  }

  void FillRows(const proto::TableSpec& spec, int t) {
    std::uint32_t floats = 0;
    for (const auto& segment : spec.segment()) floats += segment.dim();
    Table& table = tables_[t];
    for (std::uint32_t i = 0; i < kUnique * floats; ++i) table.values.push_back(static_cast<T>(nn::Value(50 + t, i)));
    table.gradients.assign(kUnique * floats, T{1e9});  // what an earlier minibatch left there
    for (std::uint32_t u = 0; u < kUnique; ++u) {
      table.rows.push_back(&table.values[u * floats]);
      table.gradient_rows.push_back(&table.gradients[u * floats]);
    }
  }

  void FillOccurrences(std::uint32_t fields, int t, Lookups lookups) {
    Table& table = tables_[t];
    if (lookups == Lookups::kMany) table.offset.push_back(0);
    for (const std::uint64_t id : ids_) {
      for (std::uint32_t f = 0; f < fields; ++f) {
        const std::uint64_t count = lookups == Lookups::kOne ? 1 : Mix(id, f, t) % 3;
        for (std::uint64_t i = 0; i < count; ++i) {
          table.unique.push_back(static_cast<std::uint32_t>(Mix(id, f, t, i) % (kUnique - 1)));
          if (lookups == Lookups::kMany) table.weight.push_back(static_cast<float>(nn::Value(id, f * 10 + i)));
        }
        if (lookups == Lookups::kMany) table.offset.push_back(static_cast<std::uint32_t>(table.unique.size()));
      }
    }
  }

  // A graph of two more nodes a hop and side, and of edges by chance; its last nodes share rows with the first.
  void FillNeighbourhood(std::uint32_t layers) {
    Neighbourhood::Side* const sides[] = {&neighbourhood_.user, &neighbourhood_.item};
    for (std::uint32_t s = 0; s < 2; ++s) {
      std::uint32_t own = 0;
      for (const std::uint64_t id : ids_) {
        sides[s]->row.push_back(static_cast<std::uint32_t>(id % (3 + s)));
        own = std::max(own, sides[s]->row.back() + 1);
      }
      for (std::uint32_t hop = 0; hop <= layers; ++hop) sides[s]->within.push_back(own == 0 ? 0 : own + 2 * hop);
      tables_[s] = WithOccurrences(std::move(tables_[s]), sides[s]->nodes());
    }
    for (std::uint32_t s = 0; s < 2; ++s) {
      Neighbourhood::Side& side = *sides[s];
      side.begin.push_back(0);
      for (std::uint32_t node = 0, hop = 0; node < side.within[layers - 1]; ++node) {
        while (node >= side.within[hop]) ++hop;
        for (std::uint32_t other = 0; other < sides[1 - s]->within[hop + 1]; ++other) {
          if (Mix(s, node, other) % 3 == 0) side.neighbour.push_back(other);
        }
        side.begin.push_back(static_cast<std::uint32_t>(side.neighbour.size()));
        side.share.push_back(node % 3 == 0 ? 1.5f : 1);
      }
      for (std::uint32_t node = 0; node < side.nodes(); ++node) side.scale.push_back(0.25f + 0.125f * (node % 4));
    }
  }
  static Table WithOccurrences(Table table, std::uint32_t nodes) {
    table.offset.clear();
    table.weight.clear();
    table.unique.clear();
    for (std::uint32_t node = 0; node < nodes; ++node) table.unique.push_back(node % (kUnique - 1));
    return table;
  }

  std::vector<std::uint64_t> ids_;
  const bool grouped_;
  std::vector<float> labels_, weights_, numbers_, log_shares_;
  std::vector<std::uint64_t> items_;
  std::vector<Table> tables_;
  Neighbourhood neighbourhood_;  // of lightgcn
};

template <typename T>
std::unique_ptr<Model<T>> MakeTestModel(const proto::Job& job, std::uint32_t max_rows) {
  auto model = MakeModel<T>(job, max_rows);
  CHECK(model.ok()) << model.status().text();
  for (std::size_t i = 0; i < (*model)->parameters().size(); ++i) {
    (*model)->parameters()[i] = static_cast<T>(0.5 * nn::Value(8, i));
  }
  return std::move(model).value();
}

}  // namespace sherd
