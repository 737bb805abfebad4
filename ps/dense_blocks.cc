#include "ps/dense_blocks.h"

#include <algorithm>
#include <cstring>

#include "ps/initializer.h"
#include "ps/optimizer/gradient.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMaxTensorFloats = std::uint64_t{1} << 31;
constexpr std::uint32_t kLine = kAlignment / sizeof(float);

}  // namespace

Result<DenseBlocks> DenseBlocks::Make(const proto::ModelSpec& spec, std::uint64_t seed, std::uint32_t shard,
                                      std::uint32_t shards) {
  DenseBlocks dense;
  for (const proto::TensorSpec& tensor : spec.tensor()) {
    const std::string where = "tensor '" + tensor.name() + "'";
    const std::uint64_t floats = std::uint64_t{tensor.rows()} * tensor.cols();
    if (floats == 0 || floats > kMaxTensorFloats) {
      return Status::Invalid(where + ": " + std::to_string(tensor.rows()) + " x " + std::to_string(tensor.cols()) +
                             " floats are not in [1, 2^31]");
    }
    ASSIGN_OR_RETURN(auto optimizer, MakeRowOptimizer(tensor.optimizer(), where + ": optimizer"));
    dense.optimizers_.push_back(std::move(optimizer));
  }
  const DenseLayout layout(spec);
  std::uint64_t memory = 0;
  for (const std::uint32_t number : layout.BlocksOfShard(shard, shards)) {
    const DenseBlock& place = layout.blocks()[number];
    const std::uint32_t floats = place.length + dense.optimizers_[place.tensor]->state_floats(place.length);
    dense.blocks_.push_back({.place = place, .slot = SlotOf(place.key), .floats = floats, .offset = memory});
    dense.weight_floats_ += place.length;
    memory += (floats + kLine - 1) / kLine * kLine;
  }
  dense.memory_.Resize(memory);
  for (const Block& block : dense.blocks_) {
    const proto::TensorSpec& tensor = spec.tensor(static_cast<int>(block.place.tensor));
    const std::span<float> weights(&dense.memory_[block.offset], block.place.length);
    Initializer(tensor.initializer(), tensor.rows(), tensor.cols())
        .Fill(TensorStream(seed, tensor.name()), block.place.first, weights);
    dense.optimizers_[block.place.tensor]->Init(weights, weights.data() + weights.size());
  }
  return dense;
}

void DenseBlocks::Pull(float* values) const {
  for (const Block& block : blocks_) {
    std::memcpy(values, &memory_[block.offset], block.place.length * sizeof(float));
    values += block.place.length;
  }
}

void DenseBlocks::Push(const float* sums, float divisor, float rate_scale) {
  for (const Block& block : blocks_) {
    const std::uint32_t length = block.place.length;
    std::uint8_t finite = 0;
    FindFiniteRows(sums, 1, length, &finite);
    if (finite != 0) {
      float* const row = &memory_[block.offset];
      float* const state = row + length;
      const RowBatch batch{
          .rows = {&row, 1}, .states = {&state, 1}, .dim = length, .gradients = sums, .stride = length};
      optimizers_[block.place.tensor]->Update(batch, divisor, rate_scale, &scratch_);
    } else {
      ++refused_;
    }
    sums += length;
  }
}

void DenseBlocks::Restore(std::size_t block, std::span<const float> values) {
  CHECK_EQ(values.size(), blocks_[block].floats);
  std::memcpy(&memory_[blocks_[block].offset], values.data(), values.size_bytes());
}

void DenseBlocks::RestoreWeights(std::size_t block, std::span<const float> weights) {
  const DenseBlock& place = blocks_[block].place;
  CHECK_EQ(weights.size(), place.length);
  float* const row = &memory_[blocks_[block].offset];
  std::ranges::copy(weights, row);
  optimizers_[place.tensor]->Init(weights, row + place.length);
}

}  // namespace sherd
