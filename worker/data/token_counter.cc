#include "worker/data/token_counter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "worker/data/token_list.h"

namespace sherd {

TokenCounter::TokenCounter(const FeatureLayout::FeatureColumn& feature, const Schema& schema, int column)
    : feature_(feature),
      column_(column),
      occurrences_(column < 0 || schema.columns[column].occurrences),
      separator_(feature.config->categorical().separator()),
      field_hash_(HashBytes(feature.name)),
      missing_(TokenKey(field_hash_, "")) {}

void TokenCounter::Add(const Row& row) {
  if (occurrences_) {
    for (const Occurrence& one : row.occurrences) {
      if (one.column == column_) AddText(one.token);
    }
  } else if (separator_.empty()) {
    AddText(row.values[column_].text);
  } else {
    ForEachToken(row.values[column_].text, separator_, [this](std::string_view token) { AddText(token); });
  }
}

void TokenCounter::Merge(const proto::KeyCounts& counts) {
  for (int i = 0; i < std::min(counts.key_size(), counts.count_size()); ++i) counts_[counts.key(i)] += counts.count(i);
}

proto::KeyCounts TokenCounter::Save() const {
  proto::KeyCounts saved;
  for (const auto& [key, count] : counts_) {
    saved.add_key(key);
    saved.add_count(count);
  }
  return saved;
}

Status TokenCounter::Finish(proto::ColumnStatistics* statistics) const {
  const proto::Vocabulary& config = feature_.config->categorical().vocabulary();
  std::vector<std::pair<std::uint64_t, Key>> kept;
  for (const auto& [key, count] : counts_) {
    if (count >= config.min_count()) kept.emplace_back(count, key);
  }
  std::ranges::sort(
      kept, [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  if (config.max_tokens() > 0 && kept.size() > config.max_tokens()) kept.resize(config.max_tokens());
  for (const auto& [count, key] : kept) statistics->add_token(key);
  if (!kept.empty()) return {};
  return Status::BadData(
      "feature " + feature_.name + ": none of the " + std::to_string(counts_.size()) +
      " tokens in the training rows comes vocabulary.min_count = " + std::to_string(config.min_count()) + " times");
}

}  // namespace sherd
