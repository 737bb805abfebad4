#pragma once

#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "ps/key_numbering.h"

namespace sherd {

// Adds up the gradients that several workers have for the keys of a table, or for the dense blocks, in the order of the
// calls. Its memory is used again from batch to batch. Thread-compatible.
class GradientSum {
 public:
  // Begins anew, for at most `keys` keys with `floats` floats each.
  void Start(std::size_t keys, std::uint32_t floats);
  // One worker's share; its keys are distinct. [keys, floats]
  void Add(std::span<const Key> keys, const float* gradients);

  // Begins anew with the first worker's share of the dense blocks; then the others'.
  void StartDense(std::span<const float> gradients);
  void AddDense(std::span<const float> gradients);

  // In the order of first sight.
  std::span<const Key> keys() const { return numbering_.keys(); }
  // [keys, floats], or the dense blocks.
  const float* sums() const { return sums_.data(); }

 private:
  KeyNumbering numbering_;
  AlignedBuffer<float> sums_;
  std::uint32_t floats_ = 0;
};

}  // namespace sherd
