#include "worker/data/vocabulary.h"

#include <cmath>

#include "worker/data/feature_encoder.h"
#include "worker/data/number_text.h"
#include "worker/data/token_list.h"

namespace sherd {
namespace {

// "comedy:0.31" into "comedy" and 0.31; what has no number behind its last colon weighs 1 as a whole.
float TakeWeight(std::string_view* word) {
  const std::size_t colon = word->rfind(':');
  double weight;
  if (colon == std::string_view::npos || colon == 0 || !ParseFloat(word->substr(colon + 1), &weight) ||
      !std::isfinite(static_cast<float>(weight))) {
    return 1;
  }
  *word = word->substr(0, colon);
  return static_cast<float>(weight);
}

}  // namespace

void Vocabulary::AddFeature(Feature feature) {
  features_.push_back(std::move(feature));
  words_.emplace_back();
}

void Vocabulary::AddWords(std::string_view token, const Feature& feature, WordLists* lists) const {
  lists->begin.push_back(lists->keys.size());
  ForEachToken(token, feature.separator, [&](std::string_view word) {
    lists->weights.push_back(TakeWeight(&word));
    lists->keys.push_back(CategoricalKey(feature.field_hash, feature.token_is_key, word));
  });
  lists->end.push_back(lists->keys.size());
  if (!feature.mean) return;
  const auto count = static_cast<float>(lists->end.back() - lists->begin.back());
  for (std::uint64_t i = lists->begin.back(); i < lists->end.back(); ++i) lists->weights[i] /= count;
}

Vocabulary::Words Vocabulary::words(std::uint32_t token, int feature) const {
  const WordLists& lists = words_[feature];
  const std::uint64_t begin = lists.begin[token], count = lists.end[token] - begin;
  return {{lists.keys.data() + begin, count}, {lists.weights.data() + begin, count}};
}

std::uint32_t Vocabulary::Add(std::string_view token) {
  const std::uint64_t hash = HashBytes(token);
  const auto found = numbers_.find(hash);
  if (found != numbers_.end()) return found->second;
  if (size() == kNone) return kNone;
  const std::uint32_t number = size();
  numbers_.emplace(hash, number);
  hashes_.push_back(hash);
  if (keeps_texts_) texts_.emplace_back(token);
  for (std::size_t f = 0; f < features_.size(); ++f) {
    const Feature& feature = features_[f];
    if (!feature.separator.empty()) AddWords(token, feature, &words_[f]);
    keys_.push_back(feature.separator.empty() ? CategoricalKey(feature.field_hash, feature.token_is_key, token) : 0);
  }
  return number;
}

void Vocabulary::Renumber(std::span<const std::uint32_t> new_number) {
  std::vector<std::uint64_t> hashes(hashes_.size());
  std::vector<Key> keys(keys_.size());
  for (std::size_t i = 0; i < hashes_.size(); ++i) {
    hashes[new_number[i]] = hashes_[i];
    for (std::size_t f = 0; f < features_.size(); ++f) {
      keys[new_number[i] * features_.size() + f] = keys_[i * features_.size() + f];
    }
  }
  for (WordLists& lists : words_) {
    std::vector<std::uint64_t> begin(lists.begin.size()), end(lists.end.size());
    for (std::size_t i = 0; i < begin.size(); ++i) {
      begin[new_number[i]] = lists.begin[i];
      end[new_number[i]] = lists.end[i];
    }
    lists.begin = std::move(begin);
    lists.end = std::move(end);
  }
  std::vector<std::string> texts(texts_.size());
  for (std::size_t i = 0; i < texts.size(); ++i) texts[new_number[i]] = std::move(texts_[i]);
  texts_ = std::move(texts);
  hashes_ = std::move(hashes);
  keys_ = std::move(keys);
  numbers_ = {};
}

}  // namespace sherd
