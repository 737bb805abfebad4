#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/model_spec.pb.h"
#include "ps/initializer.h"
#include "ps/optimizer/row_optimizer.h"
#include "ps/row_codec.h"

namespace sherd {

// What a row of a table is made of. To an optimizer it is floats: the weights of all segments, in their order, then the
// optimizer state of each. In memory and in files it is bytes:
//
//   weights   as storage.weights says: all segments side by side (INT8: each with its scale before it)
//   padding   to four bytes
//   state     as storage.state says
//   padding   to four bytes
//   usage     a u32 each, where the storage's rules ask for it: clock of the last push, its second, number of pushes
//
// Weights stand together because they are what a pull copies. Immutable, cheap to copy.
class RowLayout {
 public:
  struct Segment {
    std::uint32_t dim;
    std::uint32_t weights;  // offset in the row's floats
    std::uint32_t state;    // offset in the row's floats
    std::shared_ptr<const RowOptimizer> optimizer;
    Initializer initializer;
  };
  // Where a row's usage stands, in bytes from its begin; 0: it has no such field.
  struct Usage {
    std::uint32_t clock = 0;
    std::uint32_t second = 0;
    std::uint32_t count = 0;
  };

  // Invalid: no segments, a dim out of range, an optimizer or a storage that can not be.
  static Result<RowLayout> Make(const proto::TableSpec& spec);

  const std::vector<Segment>& segments() const { return segments_; }
  const proto::RowStorage& storage() const { return *storage_; }
  std::uint32_t weight_floats() const { return weight_floats_; }
  std::uint32_t row_floats() const { return row_floats_; }
  std::uint32_t weight_bytes() const { return weight_bytes_; }
  std::uint32_t state_bytes() const { return row_bytes_ - state_offset_; }  // with the usage
  std::uint32_t row_bytes() const { return row_bytes_; }
  std::uint32_t state_offset() const { return state_offset_; }  // bytes from a row's begin to its state
  const Usage& usage() const { return usage_; }
  // Are weights and state the row's floats themselves?
  bool plain() const { return plain_; }

  // The first weights of the rows whose streams are given; [weight_floats] each.
  void InitWeights(std::span<const std::uint64_t> row_streams, std::span<float* const> weights) const;
  void InitWeights(std::uint64_t row_stream, float* weights) const { InitWeights({&row_stream, 1}, {&weights, 1}); }
  // The state that goes with a row's first weights.
  void InitState(const float* weights, float* state) const;

  // A row's bytes from its floats [row_floats], without touching its usage, and back. In memory the state stands apart.
  void EncodeRow(const float* floats, Rounding rounding, std::byte* weights, std::byte* state) const;
  void EncodeRow(const float* floats, Rounding rounding, std::byte* row) const {
    EncodeRow(floats, rounding, row, row + state_offset_);
  }
  void DecodeRow(const std::byte* weights, const std::byte* state, float* floats) const;
  void DecodeRow(const std::byte* row, float* floats) const { DecodeRow(row, row + state_offset_, floats); }
  void DecodeWeights(const std::byte* weights, float* floats) const;

 private:
  Status PlaceFloats(const proto::TableSpec& spec);
  Status PlaceBytes(const std::string& where);
  void PlaceUsage();

  std::vector<Segment> segments_;
  std::shared_ptr<const proto::RowStorage> storage_;
  std::uint32_t weight_floats_ = 0;
  std::uint32_t row_floats_ = 0;
  std::uint32_t weight_bytes_ = 0;
  std::uint32_t state_offset_ = 0;  // bytes
  std::uint32_t row_bytes_ = 0;
  Usage usage_;
  bool plain_ = true;
};

}  // namespace sherd
