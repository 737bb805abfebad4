#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/model_spec.pb.h"
#include "ps/initializer.h"
#include "ps/optimizer/row_optimizer.h"

namespace sherd {

// What a row of a table is made of, in floats: the weights of all segments, in their order, then the optimizer state of
// each. Weights stand together because they are what a pull copies. Immutable, cheap to copy.
class RowLayout {
 public:
  struct Segment {
    std::uint32_t dim;
    std::uint32_t weights;  // offset in the row
    std::uint32_t state;    // offset in the row
    std::shared_ptr<const RowOptimizer> optimizer;
    Initializer initializer;
  };

  // Invalid: no segments, a dim out of range, or an optimizer that can not be.
  static Result<RowLayout> Make(const proto::TableSpec& spec);

  const std::vector<Segment>& segments() const { return segments_; }
  std::uint32_t weight_floats() const { return weight_floats_; }
  std::uint32_t row_floats() const { return row_floats_; }

  // The first weights of the row whose stream is given; [weight_floats].
  void InitWeights(std::uint64_t row_stream, float* weights) const;
  // The state that goes with the first weights of `row`, [row_floats].
  void InitState(float* row) const;

 private:
  std::vector<Segment> segments_;
  std::uint32_t weight_floats_ = 0;
  std::uint32_t row_floats_ = 0;
};

}  // namespace sherd
