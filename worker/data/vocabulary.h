#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"

namespace sherd {

// The users or the items of a job: each distinct token a number from 0, with its keys in all the features made from it,
// so that a token is hashed once and, but where its text is asked for, never kept. Tokens are told apart by their
// hashes. A feature with a separator takes the token for a list of words, say those that describe an item, each with a
// key of its own. Thread-compatible.
class Vocabulary {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  struct Feature {
    std::uint64_t field_hash;
    bool token_is_key;
    std::string separator = {};  // empty: the token as a whole
    bool mean = false;           // the words' weights are divided by how many they are
  };

  // Of a token. Views of the vocabulary.
  struct Words {
    std::span<const Key> keys;
    std::span<const float> weights;
  };

  // Before the first token: their texts are kept.
  void KeepTexts() { keeps_texts_ = true; }
  // Before the first token.
  void AddFeature(Feature feature);
  // The token's number; a new one when it was not there. kNone when there are no more numbers.
  std::uint32_t Add(std::string_view token);

  std::uint32_t size() const { return static_cast<std::uint32_t>(hashes_.size()); }
  // The name of a token among all of them, whatever the features.
  std::uint64_t hash(std::uint32_t token) const { return hashes_[token]; }
  const std::string& text(std::uint32_t token) const { return texts_[token]; }  // with KeepTexts
  // By the order of AddFeature; of a feature with a separator nothing.
  const Key* keys(std::uint32_t token) const { return keys_.data() + std::size_t{token} * features_.size(); }
  bool HasWords(int feature) const { return !features_[feature].separator.empty(); }
  // Of a feature with a separator. A word may end in a colon and its weight, "comedy:0.31"; others weigh 1.
  Words words(std::uint32_t token, int feature) const;

  // Gives token i the number new_number[i], a permutation. No Add afterwards.
  void Renumber(std::span<const std::uint32_t> new_number);

 private:
  // The words of all tokens in one feature.
  struct WordLists {
    std::vector<Key> keys;
    std::vector<float> weights;
    std::vector<std::uint64_t> begin, end;  // [tokens]
  };

  void AddWords(std::string_view token, const Feature& feature, WordLists* lists) const;

  bool keeps_texts_ = false;
  std::vector<Feature> features_;
  std::unordered_map<std::uint64_t, std::uint32_t> numbers_;
  std::vector<std::uint64_t> hashes_;  // by token
  std::vector<std::string> texts_;     // by token, or empty
  std::vector<Key> keys_;              // [tokens, features]
  std::vector<WordLists> words_;       // by feature; empty without a separator
};

}  // namespace sherd
