#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace sherd {

// Which record numbers of a spill file are in use. Numbers come in segments of equal size; a segment is filled from
// front to back, once, and is free again when none of its records lives. At most one segment, the open one, is filled
// in part. Memory: a bit a record of the segments in use. Thread-compatible.
class SpillSegments {
 public:
  // Consecutive numbers of one segment.
  struct Run {
    std::uint32_t first;
    std::uint32_t count;
  };

  SpillSegments(std::uint32_t records_per_segment, std::uint32_t max_segments)
      : records_per_segment_(records_per_segment), max_segments_(max_segments) {}

  // Where the next `count` records go: what the open segment has left, then free segments, the lowest first, then new
  // ones. None when there are not so many numbers. Changes nothing.
  std::optional<std::vector<Run>> Plan(std::uint64_t count) const;
  // Takes what Plan gave, with nothing else in between.
  void Take(const std::vector<Run>& runs);
  // True when this made the record's segment free.
  bool Release(std::uint32_t number);
  // Forgets the free segments at the end.
  void DropFreeEnd();

  // The full segment with the fewest live records, once more than half of all records in the file are dead.
  std::optional<std::uint32_t> MostDead() const;
  void LiveNumbers(std::uint32_t segment, std::vector<std::uint32_t>* numbers) const;
  bool IsLive(std::uint32_t number) const;

  std::uint32_t records_per_segment() const { return records_per_segment_; }
  std::uint32_t segments() const { return static_cast<std::uint32_t>(segments_.size()); }
  std::uint32_t free_segments() const { return static_cast<std::uint32_t>(free_.size()); }
  bool IsFree(std::uint32_t segment) const { return free_.contains(segment); }
  std::uint64_t live() const { return live_; }
  std::uint64_t dead() const { return filled_ - live_; }

 private:
  struct Segment {
    std::unique_ptr<std::uint64_t[]> live_bits;  // null when it is free
    std::uint32_t live = 0;
    std::uint32_t filled = 0;
  };
  std::uint32_t SegmentOf(std::uint32_t number) const { return number / records_per_segment_; }
  void TakeRun(const Run& run);

  const std::uint32_t records_per_segment_;
  const std::uint32_t max_segments_;
  std::vector<Segment> segments_;
  std::set<std::uint32_t> free_;
  std::optional<std::uint32_t> open_;
  std::uint64_t live_ = 0;
  std::uint64_t filled_ = 0;
};

}  // namespace sherd
