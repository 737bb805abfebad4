#include "ps/row_layout.h"

namespace sherd {
namespace {

constexpr std::uint32_t kMaxDim = 1 << 16;
constexpr int kMaxSegments = 64;

}  // namespace

Result<RowLayout> RowLayout::Make(const proto::TableSpec& spec) {
  const std::string where = "table '" + spec.name() + "'";
  if (spec.segment_size() == 0 || spec.segment_size() > kMaxSegments) {
    return Status::Invalid(where + ": has " + std::to_string(spec.segment_size()) + " segments, not 1.." +
                           std::to_string(kMaxSegments));
  }
  RowLayout layout;
  for (const proto::SegmentSpec& segment : spec.segment()) {
    if (segment.dim() == 0 || segment.dim() > kMaxDim) {
      return Status::Invalid(where + " segment '" + segment.name() + "': dim " + std::to_string(segment.dim()) +
                             " is not in [1, " + std::to_string(kMaxDim) + "]");
    }
    ASSIGN_OR_RETURN(auto optimizer,
                     MakeRowOptimizer(segment.optimizer(), where + " segment '" + segment.name() + "': optimizer"));
    layout.segments_.push_back({.dim = segment.dim(),
                                .weights = layout.weight_floats_,
                                .state = 0,
                                .optimizer = std::move(optimizer),
                                .initializer = Initializer(segment.initializer(), segment.dim(), segment.dim())});
    layout.weight_floats_ += segment.dim();
  }
  layout.row_floats_ = layout.weight_floats_;
  for (Segment& segment : layout.segments_) {
    segment.state = layout.row_floats_;
    layout.row_floats_ += segment.optimizer->state_floats(segment.dim);
  }
  return layout;
}

void RowLayout::InitWeights(std::uint64_t row_stream, float* weights) const {
  for (const Segment& segment : segments_) {
    segment.initializer.Fill(row_stream, segment.weights, {weights + segment.weights, segment.dim});
  }
}

void RowLayout::InitState(float* row) const {
  for (const Segment& segment : segments_) {
    segment.optimizer->Init({row + segment.weights, segment.dim}, row + segment.state);
  }
}

}  // namespace sherd
