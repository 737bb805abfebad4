#include "worker/data/vocabulary.h"

#include "worker/data/feature_encoder.h"

namespace sherd {

std::uint32_t Vocabulary::Add(std::string_view token) {
  const std::uint64_t hash = HashBytes(token);
  const auto found = numbers_.find(hash);
  if (found != numbers_.end()) return found->second;
  if (size() == kNone) return kNone;
  const std::uint32_t number = size();
  numbers_.emplace(hash, number);
  hashes_.push_back(hash);
  if (keeps_texts_) texts_.emplace_back(token);
  for (const Feature& feature : features_) {
    keys_.push_back(CategoricalKey(feature.field_hash, feature.token_is_key, token));
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
  std::vector<std::string> texts(texts_.size());
  for (std::size_t i = 0; i < texts.size(); ++i) texts[new_number[i]] = std::move(texts_[i]);
  texts_ = std::move(texts);
  hashes_ = std::move(hashes);
  keys_ = std::move(keys);
  numbers_ = {};
}

}  // namespace sherd
