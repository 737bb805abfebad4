#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/dense_layout.h"
#include "proto/model_spec.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// How a fixed number of floats travels: one row of a table, or all dense blocks of a shard. They are encoded group by
// group, and a group of INT8 has a scale of its own: docs/wire_format.md, "Values". Immutable.
class ValueCodec {
 public:
  // A group a segment.
  static ValueCodec OfRow(const proto::TableSpec& table);
  // Groups of kDenseGroup floats that begin anew with each block; tensors of one row (biases, statistics) stay FP32.
  static ValueCodec OfBlocks(const proto::ModelSpec& model, std::span<const DenseBlock> blocks);

  static constexpr std::uint32_t kDenseGroup = 64;

  static bool Knows(proto::Encoding encoding) { return encoding >= proto::FP32 && encoding <= proto::INT8; }

  std::size_t floats() const { return floats_; }
  std::size_t bytes(proto::Encoding encoding) const { return bytes_[encoding]; }

  // Rounds to the nearest number that the encoding has, or stochastically: up with the probability of how near that is,
  // as a function of `noise` and the float's place. A group with a NaN or an infinity is decoded as none but NaNs, or
  // keeps them (BF16).
  void Encode(proto::Encoding encoding, const float* values, std::optional<std::uint64_t> noise, std::byte* out) const;
  // Any bytes give floats. No alignment is asked for.
  void Decode(proto::Encoding encoding, const std::byte* in, float* values) const;

 private:
  struct Group {
    std::uint32_t floats;
    bool exact;  // FP32, whatever is asked for
  };

  explicit ValueCodec(std::vector<Group> groups);

  std::vector<Group> groups_;
  std::size_t floats_ = 0;
  std::size_t bytes_[proto::Encoding_MAX + 1] = {};
};

}  // namespace sherd
