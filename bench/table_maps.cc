#include "bench/table_maps.h"

#include <absl/container/flat_hash_map.h>

#include <cmath>
#include <cstring>
#include <unordered_map>
#include <vector>

namespace sherd::bench {
namespace {

constexpr float kRate = 0.02f, kEpsilon = 1e-10f;

template <class Map>
class RowsIn : public RowMap {
 public:
  RowsIn(std::uint64_t rows, std::uint32_t dim) : dim_(dim) { map_.reserve(rows); }

  void Insert(Key key, float weight) override {
    std::vector<float> row(dim_ + 1, weight);
    row[dim_] = 0.1f;
    map_.emplace(key, std::move(row));
  }

  void Copy(std::span<const Key> keys, float* out) const override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      std::memcpy(out + i * dim_, map_.find(keys[i])->second.data(), dim_ * sizeof(float));
    }
  }

  void Step(std::span<const Key> keys, const float* gradients) override {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      float* row = map_.find(keys[i])->second.data();
      const float* g = gradients + i * dim_;
      float squares = 0;
      for (std::size_t k = 0; k < dim_; ++k) squares += g[k] * g[k];
      row[dim_] += squares / static_cast<float>(dim_);
      const float step = kRate / (std::sqrt(row[dim_]) + kEpsilon);
      for (std::size_t k = 0; k < dim_; ++k) row[k] -= step * g[k];
    }
  }

 private:
  const std::uint32_t dim_;
  Map map_;
};

}  // namespace

std::unique_ptr<RowMap> MakeFlatHashMap(std::uint64_t rows, std::uint32_t dim) {
  return std::make_unique<RowsIn<absl::flat_hash_map<Key, std::vector<float>>>>(rows, dim);
}

std::unique_ptr<RowMap> MakeUnorderedMap(std::uint64_t rows, std::uint32_t dim) {
  return std::make_unique<RowsIn<std::unordered_map<Key, std::vector<float>>>>(rows, dim);
}

}  // namespace sherd::bench
