#include "ps/spill_segments.h"

#include <glog/logging.h>

#include <algorithm>
#include <bit>

namespace sherd {

std::optional<std::vector<SpillSegments::Run>> SpillSegments::Plan(std::uint64_t count) const {
  std::vector<Run> runs;
  const auto add = [&](std::uint32_t segment, std::uint32_t filled) {
    const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, records_per_segment_ - filled));
    runs.push_back({.first = segment * records_per_segment_ + filled, .count = n});
    count -= n;
  };
  if (open_ && count > 0) add(*open_, segments_[*open_].filled);
  for (auto segment = free_.begin(); segment != free_.end() && count > 0; ++segment) add(*segment, 0);
  for (std::uint32_t segment = segments(); count > 0; ++segment) {
    if (segment == max_segments_) return std::nullopt;
    add(segment, 0);
  }
  return runs;
}

void SpillSegments::Take(const std::vector<Run>& runs) {
  for (const Run& run : runs) TakeRun(run);
}

void SpillSegments::TakeRun(const Run& run) {
  const std::uint32_t number = SegmentOf(run.first);
  if (number == segments_.size()) segments_.emplace_back();
  free_.erase(number);
  Segment& segment = segments_[number];
  if (segment.live_bits == nullptr) {
    segment.live_bits = std::make_unique<std::uint64_t[]>((records_per_segment_ + 63) / 64);
  }
  CHECK_EQ(run.first % records_per_segment_, segment.filled) << "not what Plan gave";
  for (std::uint32_t i = segment.filled; i < segment.filled + run.count; ++i) {
    segment.live_bits[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  segment.filled += run.count;
  segment.live += run.count;
  filled_ += run.count;
  live_ += run.count;
  open_.reset();
  if (segment.filled < records_per_segment_) open_ = number;
}

bool SpillSegments::Release(std::uint32_t number) {
  CHECK(IsLive(number)) << "record " << number << " is released twice";
  Segment& segment = segments_[SegmentOf(number)];
  const std::uint32_t i = number % records_per_segment_;
  segment.live_bits[i / 64] &= ~(std::uint64_t{1} << (i % 64));
  --live_;
  if (--segment.live > 0) return false;
  filled_ -= segment.filled;
  segment = {};
  free_.insert(SegmentOf(number));
  if (open_ == SegmentOf(number)) open_.reset();
  return true;
}

void SpillSegments::DropFreeEnd() {
  while (!segments_.empty() && free_.erase(segments() - 1) > 0) segments_.pop_back();
}

std::optional<std::uint32_t> SpillSegments::MostDead() const {
  if (dead() * 2 <= filled_) return std::nullopt;
  std::optional<std::uint32_t> best;
  for (std::uint32_t i = 0; i < segments(); ++i) {
    if (segments_[i].filled < records_per_segment_) continue;
    if (!best || segments_[i].live < segments_[*best].live) best = i;
  }
  if (best && segments_[*best].live == records_per_segment_) return std::nullopt;
  return best;
}

void SpillSegments::LiveNumbers(std::uint32_t segment, std::vector<std::uint32_t>* numbers) const {
  numbers->clear();
  const Segment& s = segments_.at(segment);
  if (s.live_bits == nullptr) return;
  for (std::uint32_t word = 0; word < (records_per_segment_ + 63) / 64; ++word) {
    for (std::uint64_t bits = s.live_bits[word]; bits != 0; bits &= bits - 1) {
      numbers->push_back(segment * records_per_segment_ + word * 64 +
                         static_cast<std::uint32_t>(std::countr_zero(bits)));
    }
  }
}

bool SpillSegments::IsLive(std::uint32_t number) const {
  if (SegmentOf(number) >= segments_.size()) return false;
  const Segment& segment = segments_[SegmentOf(number)];
  const std::uint32_t i = number % records_per_segment_;
  return segment.live_bits != nullptr && (segment.live_bits[i / 64] >> (i % 64) & 1) != 0;
}

}  // namespace sherd
