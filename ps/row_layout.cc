#include "ps/row_layout.h"

namespace sherd {
namespace {

constexpr std::uint32_t kMaxDim = 1 << 16;
constexpr int kMaxSegments = 64;

std::uint32_t WholeWords(std::size_t bytes) { return static_cast<std::uint32_t>((bytes + 3) / 4 * 4); }

}  // namespace

Result<RowLayout> RowLayout::Make(const proto::TableSpec& spec) {
  const std::string where = "table '" + spec.name() + "'";
  if (spec.segment_size() == 0 || spec.segment_size() > kMaxSegments) {
    return Status::Invalid(where + ": has " + std::to_string(spec.segment_size()) + " segments, not 1.." +
                           std::to_string(kMaxSegments));
  }
  RowLayout layout;
  layout.storage_ = std::make_shared<proto::RowStorage>(spec.storage());
  RETURN_IF_ERROR(layout.PlaceFloats(spec));
  RETURN_IF_ERROR(layout.PlaceBytes(where));
  return layout;
}

Status RowLayout::PlaceFloats(const proto::TableSpec& spec) {
  const std::string where = "table '" + spec.name() + "'";
  for (const proto::SegmentSpec& segment : spec.segment()) {
    const std::string part = where + " segment '" + segment.name() + "': ";
    if (segment.dim() == 0 || segment.dim() > kMaxDim) {
      return Status::Invalid(part + "dim " + std::to_string(segment.dim()) + " is not in [1, " +
                             std::to_string(kMaxDim) + "]");
    }
    ASSIGN_OR_RETURN(auto optimizer, MakeRowOptimizer(segment.optimizer(), part + "optimizer"));
    segments_.push_back({.dim = segment.dim(),
                         .weights = weight_floats_,
                         .state = 0,
                         .optimizer = std::move(optimizer),
                         .initializer = Initializer(segment.initializer(), segment.dim(), segment.dim())});
    weight_floats_ += segment.dim();
  }
  row_floats_ = weight_floats_;
  for (Segment& segment : segments_) {
    segment.state = row_floats_;
    row_floats_ += segment.optimizer->state_floats(segment.dim);
  }
  return {};
}

Status RowLayout::PlaceBytes(const std::string& where) {
  const Precision weights = storage_->weights(), state = storage_->state();
  if (state != proto::RowStorage::FP32 && state != proto::RowStorage::BF16) {
    return Status::Invalid(where + ": storage.state is FP32 or BF16");
  }
  for (const Segment& segment : segments_)
    weight_bytes_ += static_cast<std::uint32_t>(EncodedBytes(weights, segment.dim));
  state_offset_ = WholeWords(weight_bytes_);
  row_bytes_ = state_offset_;
  // Rows that are only read keep no state.
  if (weights != proto::RowStorage::INT8) row_bytes_ += WholeWords(EncodedBytes(state, row_floats_ - weight_floats_));
  plain_ = weights == proto::RowStorage::FP32 && state == proto::RowStorage::FP32;
  PlaceUsage();
  return {};
}

void RowLayout::PlaceUsage() {
  const auto add = [&](bool wanted, std::uint32_t* field) {
    if (!wanted) return;
    *field = row_bytes_;
    row_bytes_ += sizeof(std::uint32_t);
  };
  const bool by_use =
      storage_->max_rows() > 0 || storage_->max_bytes() > 0 || storage_->at_budget() == proto::RowStorage::EVICT;
  const bool frequent = storage_->use() == proto::RowStorage::FREQUENT;
  add(storage_->max_age_clocks() > 0 || (by_use && !frequent), &usage_.clock);
  add(storage_->max_age_seconds() > 0, &usage_.second);
  add(by_use && frequent, &usage_.count);
}

void RowLayout::InitWeights(std::span<const std::uint64_t> row_streams, std::span<float* const> weights) const {
  for (const Segment& segment : segments_) {
    segment.initializer.FillRows(row_streams, segment.weights, segment.dim, weights);
  }
}

void RowLayout::InitState(const float* weights, float* state) const {
  for (const Segment& segment : segments_) {
    segment.optimizer->Init({weights + segment.weights, segment.dim}, state + (segment.state - weight_floats_));
  }
}

void RowLayout::EncodeRow(const float* floats, Rounding rounding, std::byte* weights, std::byte* state) const {
  for (const Segment& segment : segments_) {
    const Rounding own{.stochastic = rounding.stochastic, .noise = Mix(rounding.noise, segment.weights)};
    Encode(storage_->weights(), {floats + segment.weights, segment.dim}, own, weights);
    weights += EncodedBytes(storage_->weights(), segment.dim);
  }
  if (storage_->weights() == proto::RowStorage::INT8) return;
  const Rounding own{.stochastic = rounding.stochastic, .noise = Mix(rounding.noise, row_floats_)};
  Encode(storage_->state(), {floats + weight_floats_, row_floats_ - weight_floats_}, own, state);
}

void RowLayout::DecodeRow(const std::byte* weights, const std::byte* state, float* floats) const {
  DecodeWeights(weights, floats);
  if (storage_->weights() == proto::RowStorage::INT8) {
    InitState(floats, floats + weight_floats_);
  } else {
    Decode(storage_->state(), state, {floats + weight_floats_, row_floats_ - weight_floats_});
  }
}

void RowLayout::DecodeWeights(const std::byte* weights, float* floats) const {
  if (storage_->weights() != proto::RowStorage::INT8) {
    return Decode(storage_->weights(), weights, {floats, weight_floats_});
  }
  for (const Segment& segment : segments_) {
    Decode(proto::RowStorage::INT8, weights, {floats + segment.weights, segment.dim});
    weights += EncodedBytes(proto::RowStorage::INT8, segment.dim);
  }
}

}  // namespace sherd
