#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "proto/model_spec.pb.h"

namespace sherd {

// Where each dense tensor stands in the flat parameter array of a worker, and how it is cut into blocks. Equal on
// workers and servers, because both derive it from the same ModelSpec. Tensors begin at multiples of 16 floats (a cache
// line); a block is never shared by two tensors. Immutable.
struct DenseBlock {
  Key key;               // DenseBlockKey: its place among the shards
  std::uint32_t tensor;  // index in ModelSpec.tensor
  std::uint32_t first;   // element of the tensor that the block begins with
  std::uint32_t length;  // floats, 1..kDenseBlockFloats
  std::uint64_t offset;  // in the flat array
};

// HashBytes(tensor name) mixed with the index in the tensor of the block that begins with element `first`.
Key DenseBlockKey(std::string_view tensor, std::uint64_t first);

class DenseLayout {
 public:
  explicit DenseLayout(const proto::ModelSpec& spec);

  // In ascending block number, which is the order on the wire.
  const std::vector<DenseBlock>& blocks() const { return blocks_; }
  // Indexes into blocks() of those that a shard owns, ascending.
  std::vector<std::uint32_t> BlocksOfShard(std::uint32_t shard, std::uint32_t shards) const;
  // Start of a tensor in the flat array.
  std::uint64_t tensor_offset(std::uint32_t tensor) const { return tensor_offset_[tensor]; }
  // Floats of the flat array, with the padding between tensors.
  std::uint64_t size() const { return size_; }

 private:
  std::vector<DenseBlock> blocks_;
  std::vector<std::uint64_t> tensor_offset_;
  std::uint64_t size_ = 0;
};

}  // namespace sherd
