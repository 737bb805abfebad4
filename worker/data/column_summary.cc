#include "worker/data/column_summary.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

namespace sherd {
namespace {

constexpr std::size_t kTokensShown = 20;
constexpr double kShares[] = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99};

std::uint64_t DistinctOf(const DistinctCounter& counter, std::uint64_t count) {
  return std::min(count, static_cast<std::uint64_t>(std::llround(counter.Estimate())));
}

}  // namespace

void NumberSummary::AddMoments(std::uint64_t count, double mean, double squares) {
  if (count == 0) return;
  const double all = static_cast<double>(count_ + count), delta = mean - mean_;
  const double share = static_cast<double>(count) / all;
  mean_ += delta * share;
  squares_ += squares + delta * delta * static_cast<double>(count_) * share;
  count_ += count;
}

void NumberSummary::Flush() {
  if (block_.empty()) return;
  double sum = 0, squares = 0;
  for (const double value : block_) {
    sum += value;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
    distinct_.Add(Mix(std::bit_cast<std::uint64_t>(value)));
    sketch_.Add(value);
  }
  const double mean = sum / static_cast<double>(block_.size());
  for (const double value : block_) squares += (value - mean) * (value - mean);
  AddMoments(block_.size(), mean, squares);
  block_.clear();
}

void NumberSummary::Merge(NumberSummary* other) {
  Flush();
  other->Flush();
  missing_ += other->missing_;
  AddMoments(other->count_, other->mean_, other->squares_);
  min_ = std::min(min_, other->min_);
  max_ = std::max(max_, other->max_);
  distinct_.Merge(other->distinct_);
  sketch_.Merge(other->sketch_);
}

proto::ColumnStatistics NumberSummary::Statistics() const {
  proto::ColumnStatistics statistics;
  statistics.set_count(count_);
  statistics.set_missing(missing_);
  statistics.set_mean(mean_);
  statistics.set_deviation(count_ == 0 ? 0 : std::sqrt(squares_ / static_cast<double>(count_)));
  statistics.set_min(count_ == 0 ? 0 : min_);
  statistics.set_max(count_ == 0 ? 0 : max_);
  return statistics;
}

void NumberSummary::Describe(proto::DataColumn* column) const {
  column->set_count(count_);
  column->set_missing(missing_);
  column->set_distinct(DistinctOf(distinct_, count_));
  if (count_ == 0) return;
  const proto::ColumnStatistics statistics = Statistics();
  column->set_min(statistics.min());
  column->set_max(statistics.max());
  column->set_mean(statistics.mean());
  column->set_deviation(statistics.deviation());
  const auto sorted = sketch_.Sorted();
  std::uint64_t behind = 0;
  std::size_t at = 0;
  for (const double share : kShares) {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    while (at + 1 < sorted.size() && behind + sorted[at].second <= rank) behind += sorted[at++].second;
    proto::Quantile* quantile = column->add_quantile();
    quantile->set_share(share);
    quantile->set_value(sorted[at].first);
  }
}

void NumberSummary::Save(proto::NumberSketch* saved) const {
  saved->set_missing(missing_);
  saved->set_count(count_);
  saved->set_mean(mean_);
  saved->set_squares(squares_);
  saved->set_min(min_);
  saved->set_max(max_);
  saved->set_distinct(distinct_.Save());
  saved->mutable_small()->Add(sketch_.small().begin(), sketch_.small().end());
  for (const std::vector<double>& level : sketch_.levels()) {
    saved->add_level()->mutable_value()->Add(level.begin(), level.end());
  }
  saved->set_compactions(sketch_.compactions());
}

bool NumberSummary::Restore(const proto::NumberSketch& saved) {
  block_.clear();
  missing_ = saved.missing();
  count_ = saved.count();
  mean_ = saved.mean();
  squares_ = saved.squares();
  min_ = saved.min();
  max_ = saved.max();
  std::vector<std::vector<double>> levels;
  for (const proto::SketchLevel& level : saved.level()) levels.emplace_back(level.value().begin(), level.value().end());
  return distinct_.Restore(saved.distinct()) &&
         sketch_.Restore({saved.small().begin(), saved.small().end()}, std::move(levels), saved.compactions());
}

void TokenSummary::Merge(const TokenSummary& other) {
  missing_ += other.missing_;
  count_ += other.count_;
  distinct_.Merge(other.distinct_);
  frequent_.Merge(other.frequent_);
}

void TokenSummary::Describe(proto::DataColumn* column) const {
  column->set_count(count_);
  column->set_missing(missing_);
  column->set_distinct(DistinctOf(distinct_, count_));
  for (const FrequentTokens::Counter& counter : frequent_.Top(kTokensShown)) {
    proto::TokenCount* token = column->add_token();
    token->set_text(std::string(counter.text()));
    token->set_count(counter.count);
  }
  column->set_token_count_error(frequent_.error());
}

void TokenSummary::Save(proto::TokenSketch* saved) const {
  saved->set_missing(missing_);
  saved->set_count(count_);
  saved->set_distinct(distinct_.Save());
  for (const FrequentTokens::Counter& counter : frequent_.Top()) {
    saved->add_key(counter.key);
    saved->add_key_count(counter.count);
    saved->add_text(std::string(counter.text()));
  }
  saved->set_error(frequent_.error());
}

bool TokenSummary::Restore(const proto::TokenSketch& saved) {
  missing_ = saved.missing();
  count_ = saved.count();
  if (saved.key_size() != saved.key_count_size() || saved.key_size() != saved.text_size()) return false;
  std::vector<FrequentTokens::Counter> counters(saved.key_size());
  for (int i = 0; i < saved.key_size(); ++i) {
    if (saved.text(i).size() > FrequentTokens::kTextBytes) return false;
    counters[i].key = saved.key(i);
    counters[i].count = saved.key_count(i);
    counters[i].length = static_cast<std::uint8_t>(saved.text(i).size());
    std::memcpy(counters[i].bytes.data(), saved.text(i).data(), saved.text(i).size());
  }
  return distinct_.Restore(saved.distinct()) && frequent_.Restore(counters, saved.error());
}

}  // namespace sherd
