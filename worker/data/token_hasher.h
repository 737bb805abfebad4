#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/hash.h"
#include "worker/data/row_parser.h"

namespace sherd {

// Where a vector of tokens comes from and what it is hashed with, by field; all arrays have whole vectors.
struct ShortTokens {
  const std::uint64_t* words;      // the first four bytes above the last four
  const std::uint64_t* lengths;    // 4 to 8, or 0: missing
  const std::uint64_t* flips;      // what XXH3 makes of its secret and the seed for these lengths
  const std::uint64_t* empty_key;  // of the missing token
};

// The keys of single tokens of a row, all fields at once: TokenKey of each. Tokens of 4 to 8 bytes and missing ones,
// which nearly all are in click logs, are hashed by vectors. Confined to one thread.
class TokenHasher {
 public:
  // The token of a field stands in this column of the row's values.
  void AddField(int column, std::uint64_t field_hash);
  std::size_t fields() const { return columns_.size(); }
  // Behind the keys of the fields as many may be written as fill the last vector.
  static constexpr std::size_t kSlack = 8;
  void Hash(std::span<const Value> values, Key* keys);

 private:
  std::vector<int> columns_;
  std::vector<std::uint64_t> field_hash_, flips_, empty_key_, words_, lengths_;
};

}  // namespace sherd
