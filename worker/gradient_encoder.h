#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "proto/wire.pb.h"
#include "worker/parameter_layout.h"
#include "worker/work.h"

namespace sherd {

// Makes a work's gradients what travels: docs/wire_format.md, "Values". Those of rows are rounded stochastically, by
// bits that are a function of (worker, clock, table, key); what the rounding of a dense block leaves out is added to
// its next gradient (error feedback: Seide et al. 2014). Thread-compatible.
class GradientEncoder {
 public:
  // `layout` must outlive the encoder.
  GradientEncoder(proto::Encoding encoding, const ParameterLayout* layout, std::uint32_t worker)
      : encoding_(encoding), layout_(layout), worker_(worker), left_out_(layout->shards) {}

  proto::Encoding encoding() const { return encoding_; }

  // Fills work->encoded; nothing to do with FP32. To be called once for each work, in the order of the clocks.
  void Encode(Work* work);

  // Of table `table`, from unique key `first` on, or of a shard's dense blocks: in work->encoded, or as they are.
  const std::byte* Rows(const Work& work, std::uint32_t table, std::size_t first) const;
  const std::byte* Blocks(const Work& work, std::uint32_t shard) const;

  // Forgets what was left out, so that who goes on from here and who begins here do the same.
  void Forget();

 private:
  void EncodeRows(std::uint32_t table, Work* work) const;
  void EncodeBlocks(std::uint32_t shard, Work* work);

  const proto::Encoding encoding_;
  const ParameterLayout* const layout_;
  const std::uint32_t worker_;
  std::vector<AlignedBuffer<float>> left_out_;  // by shard: [dense_floats], or nothing yet
  AlignedBuffer<float> sums_;
};

}  // namespace sherd
