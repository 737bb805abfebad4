#include "base/dense_layout.h"

#include <algorithm>

#include "base/partition.h"

namespace sherd {

Key DenseBlockKey(std::string_view tensor, std::uint64_t first) {
  return Mix(HashBytes(tensor), first / kDenseBlockFloats);
}

DenseLayout::DenseLayout(const proto::ModelSpec& spec) {
  constexpr std::uint64_t kAlign = 16;
  for (int t = 0; t < spec.tensor_size(); ++t) {
    const proto::TensorSpec& tensor = spec.tensor(t);
    const std::uint64_t floats = std::uint64_t{tensor.rows()} * tensor.cols();
    tensor_offset_.push_back(size_);
    for (std::uint64_t first = 0; first < floats; first += kDenseBlockFloats) {
      blocks_.push_back(
          {.key = DenseBlockKey(tensor.name(), first),
           .tensor = static_cast<std::uint32_t>(t),
           .first = static_cast<std::uint32_t>(first),
           .length = static_cast<std::uint32_t>(std::min<std::uint64_t>(kDenseBlockFloats, floats - first)),
           .offset = size_ + first});
    }
    size_ += (floats + kAlign - 1) / kAlign * kAlign;
  }
}

std::vector<std::uint32_t> DenseLayout::BlocksOfShard(std::uint32_t shard, std::uint32_t shards) const {
  std::vector<std::uint32_t> owned;
  for (std::uint32_t i = 0; i < blocks_.size(); ++i) {
    if (ShardOf(blocks_[i].key, shards) == shard) owned.push_back(i);
  }
  return owned;
}

}  // namespace sherd
