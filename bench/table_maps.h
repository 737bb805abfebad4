#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/hash.h"

namespace sherd::bench {

// A table as one would write it with a map from keys to vectors of `dim` weights and a row-wise Adagrad's sum: what
// embedding tables are compared to. Thread-compatible.
class RowMap {
 public:
  virtual ~RowMap() = default;

  virtual void Insert(Key key, float weight) = 0;  // all weights of the row
  // The weights of each key's row, [keys, dim]; a step of row-wise Adagrad on each by `gradients`, [keys, dim]. All
  // keys have rows.
  virtual void Copy(std::span<const Key> keys, float* out) const = 0;
  virtual void Step(std::span<const Key> keys, const float* gradients) = 0;
};

// With room for `rows`.
std::unique_ptr<RowMap> MakeFlatHashMap(std::uint64_t rows, std::uint32_t dim);   // absl::flat_hash_map
std::unique_ptr<RowMap> MakeUnorderedMap(std::uint64_t rows, std::uint32_t dim);  // std::unordered_map

}  // namespace sherd::bench
