#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "proto/data_statistics.pb.h"

namespace sherd {

// Stands in row files for each token that is too rare to have a key of its own.
inline constexpr std::string_view kRareToken = "<rare>";

// The tokens of a column, each counted: about 100 bytes for each different one. Thread-compatible.
class TokenVocabulary {
 public:
  void Add(std::string_view token) {
    Entry& entry = entries_[HashBytes(token)];
    if (entry.count++ == 0) entry.text = token;
  }
  void Merge(const proto::TokenCounts& counts);
  proto::TokenCounts Save() const;

  // Forgets tokens that were seen fewer times.
  void DropRare(std::uint64_t min_count);
  bool Has(std::string_view token) const { return entries_.contains(HashBytes(token)); }
  // A line a token, `count TAB token`, in descending order of the counts, then by text: line n, from 0, has token n.
  std::string Text() const;

 private:
  struct Entry {
    std::uint64_t count = 0;
    std::string text;
  };
  std::unordered_map<Key, Entry> entries_;
};

}  // namespace sherd
