#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"

namespace sherd::bench {

// What a careful programmer writes first: memchr from field to field, std::from_chars, nothing allocated, and the same
// keys as DataTsv's job (buckets of I1..I13, tokens of C1..C26) into the same arrays. It knows the format by heart and
// checks nothing but the number of columns and that integers are some. Thread-compatible.
class ScalarTsv {
 public:
  explicit ScalarTsv(std::uint32_t batch_rows);

  // Decodes a file minibatch by minibatch, in its order; returns the number of rows.
  Result<std::uint64_t> Decode(const std::string& path);
  // Of the keys of all rows of the last Decode, whatever their order.
  std::uint64_t key_sum() const { return key_sum_; }
  bool sum_keys = false;  // costs time: not while measuring

 private:
  static constexpr int kIntegers = 13, kTokens = 26, kKeys = kIntegers + kTokens;

  // False: the row is malformed.
  bool DecodeRow(const char* begin, const char* end, std::uint64_t offset);
  void EndMinibatch();

  const std::uint32_t batch_rows_;
  std::vector<std::int64_t> small_buckets_;
  std::vector<std::uint64_t> field_hash_;
  std::vector<float> labels_;           // [batch_rows]
  std::vector<Key> keys_;               // [batch_rows, kKeys]
  std::vector<std::uint64_t> row_ids_;  // [batch_rows]
  std::uint32_t rows_ = 0;              // in the minibatch
  std::uint64_t key_sum_ = 0;
};

}  // namespace sherd::bench
