#include "worker/data/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"

namespace sherd {

void ColumnAccumulator::Add(double value, std::uint32_t row_hash) {
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  ++count_;
  const double delta = value - mean_;
  mean_ += delta / static_cast<double>(count_);
  squares_ += delta * (value - mean_);
  if (quantiles_ == 0 || row_hash > largest_hash_) return;
  kept_.push_back(value);
  kept_hash_.push_back(row_hash);
  if (kept_.size() > max_kept_) Thin();
}

// Halves the sample: those with the smaller hashes stay.
void ColumnAccumulator::Thin() {
  largest_hash_ /= 2;
  std::size_t stay = 0;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    if (kept_hash_[i] > largest_hash_) continue;
    kept_[stay] = kept_[i];
    kept_hash_[stay++] = kept_hash_[i];
  }
  kept_.resize(stay);
  kept_hash_.resize(stay);
}

proto::ColumnStatistics ColumnAccumulator::Finish() {
  proto::ColumnStatistics statistics;
  statistics.set_count(count_);
  statistics.set_missing(missing_);
  statistics.set_mean(mean_);
  statistics.set_deviation(count_ == 0 ? 0 : std::sqrt(squares_ / static_cast<double>(count_)));
  statistics.set_min(min_);
  statistics.set_max(max_);
  std::sort(kept_.begin(), kept_.end());
  for (std::uint64_t i = 1; i < quantiles_ && !kept_.empty(); ++i) {
    const double edge = kept_[i * kept_.size() / quantiles_];
    const double before = statistics.quantile_edge_size() == 0 ? kept_[0] : *statistics.quantile_edge().rbegin();
    if (edge > before) statistics.add_quantile_edge(edge);
  }
  return statistics;
}

bool NeedsStatistics(const proto::Feature& feature) {
  const proto::Number::Transform transform = feature.number().transform();
  const bool moments =
      feature.has_number() && (transform == proto::Number::STANDARDIZE || transform == proto::Number::MIN_MAX);
  return moments || feature.bucket().has_quantiles() || feature.categorical().has_vocabulary();
}

proto::Statistics StandInStatistics(const FeatureLayout& layout) {
  proto::Statistics statistics;
  for (const FeatureLayout::FeatureColumn& feature : layout.features) {
    if (NeedsStatistics(*feature.config)) statistics.add_column()->set_name(feature.name);
  }
  return statistics;
}

StatisticsCollector::StatisticsCollector(const FeatureLayout& layout, const Schema& schema) {
  for (std::size_t i = 0; i < layout.features.size(); ++i) {
    const proto::Feature& config = *layout.features[i].config;
    if (!NeedsStatistics(config)) continue;
    if (config.categorical().has_vocabulary()) {
      counters_.emplace_back(layout.features[i], schema, schema.feature_column[i]);
      continue;
    }
    features_.push_back(
        {layout.features[i].name, schema.feature_column[i], ColumnAccumulator(config.bucket().quantiles())});
  }
}

void StatisticsCollector::AddNumbers(const Row& row, std::uint64_t row_id) {
  for (Feature& feature : features_) {
    const Value& value = row.values[feature.column];
    if (value.text.empty()) {
      feature.accumulator.AddMissing();
    } else {
      feature.accumulator.Add(value.number, static_cast<std::uint32_t>(Mix(row_id) >> 32));
    }
  }
}

Result<proto::Statistics> StatisticsCollector::Finish() {
  proto::Statistics statistics;
  for (Feature& feature : features_) {
    proto::ColumnStatistics column = feature.accumulator.Finish();
    column.set_name(feature.name);
    *statistics.add_column() = std::move(column);
  }
  for (const TokenCounter& counter : counters_) {
    proto::ColumnStatistics* const column = statistics.add_column();
    column->set_name(counter.feature().name);
    RETURN_IF_ERROR(counter.Finish(column));
  }
  return statistics;
}

}  // namespace sherd
