#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "worker/data/row_parser.h"

namespace sherd {

// What short tokens are hashed with, by field; all arrays have whole vectors.
struct ShortTokenFields {
  const std::uint64_t* flips;      // what XXH3 makes of its secret and the seed for these lengths
  const std::uint64_t* empty_key;  // of the missing token
};

// The keys of single tokens of a row, all fields at once: TokenKey of each. Tokens of 4 to 8 bytes and missing ones,
// which nearly all are in click logs, are hashed by vectors. Confined to one thread.
class TokenHasher {
 public:
  // The token of a field stands in this column of the row.
  void AddField(int column, std::uint64_t field_hash);
  std::size_t fields() const { return columns_.size(); }
  // Behind the keys of the fields as many may be written as fill the last vector.
  static constexpr std::size_t kSlack = 8;
  void Hash(std::span<const Value> values, Key* keys);
  // The same of tokens that stand in a line whose columns have these ends (FindFieldEnds). None stands in the first
  // column, and in front of the end of each there are eight bytes of the line.
  void HashFields(const char* line, const std::uint32_t* ends, Key* keys);

 private:
  // Of a line whose columns have these ends.
  std::string_view Token(const char* line, const std::uint32_t* ends, std::size_t field) const;

  std::vector<int> columns_;
  bool consecutive_ = true;  // the columns follow one another
  std::vector<std::uint64_t> field_hash_, flips_, empty_key_, words_, lengths_;
  std::vector<std::uint32_t> before_, ends_;  // by field: the ends of the column before and its own
};

}  // namespace sherd
