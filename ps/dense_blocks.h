#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/dense_layout.h"
#include "base/partition.h"
#include "base/status.h"
#include "proto/model_spec.pb.h"
#include "ps/optimizer/row_optimizer.h"

namespace sherd {

// The dense blocks that a shard owns, each a row of its own: its weights, then its optimizer's state. Unlike rows of
// tables they exist from the start. Thread-compatible.
class DenseBlocks {
 public:
  struct Block {
    DenseBlock place;  // tensor, first element, length
    Slot slot;
    std::uint32_t floats;  // with the state
    std::uint64_t offset;  // in the shard's memory
  };

  // Invalid: a tensor is empty or too large, or its optimizer can not be.
  static Result<DenseBlocks> Make(const proto::ModelSpec& spec, std::uint64_t seed, std::uint32_t shard,
                                  std::uint32_t shards);

  // Ascending by block number, which is the order of the values below.
  const std::vector<Block>& blocks() const { return blocks_; }
  std::uint64_t weight_floats() const { return weight_floats_; }

  // All weights, [weight_floats].
  void Pull(float* values) const;
  // One optimizer step of each block by `sums`, [weight_floats], divided by `divisor`. A block whose gradient has a NaN
  // or an infinity keeps its bits and is counted.
  void Push(const float* sums, float divisor, float rate_scale);

  // Weights and state of a block, [floats].
  std::span<const float> Values(std::size_t block) const {
    return {&memory_[blocks_[block].offset], blocks_[block].floats};
  }
  void Restore(std::size_t block, std::span<const float> values);
  // Its weights alone, [length]; the state begins anew.
  void RestoreWeights(std::size_t block, std::span<const float> weights);

  std::uint64_t bytes() const { return memory_.size() * sizeof(float); }
  std::uint64_t refused() const { return refused_; }

 private:
  std::vector<std::shared_ptr<const RowOptimizer>> optimizers_;  // by tensor
  std::vector<Block> blocks_;
  std::uint64_t weight_floats_ = 0;
  AlignedBuffer<float> memory_;
  AlignedBuffer<float> scratch_;
  std::uint64_t refused_ = 0;
};

}  // namespace sherd
