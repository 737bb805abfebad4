#include "ps/applied_minibatches.h"

#include <algorithm>

namespace sherd {

void AppliedMinibatches::Add(std::uint64_t chunk, std::uint32_t minibatch) {
  std::vector<Range>& ranges = chunks_[chunk];
  const auto has = [&](const Range& range) { return range.begin <= minibatch && minibatch < range.end; };
  if (std::any_of(ranges.begin(), ranges.end(), has)) return;
  const auto before = std::find_if(ranges.begin(), ranges.end(), [&](const Range& r) { return r.end == minibatch; });
  const auto after =
      std::find_if(ranges.begin(), ranges.end(), [&](const Range& r) { return r.begin == minibatch + 1; });
  if (before == ranges.end() && after == ranges.end()) return ranges.push_back({minibatch, minibatch + 1});
  if (before == ranges.end()) {
    after->begin = minibatch;
  } else if (after == ranges.end()) {
    before->end = minibatch + 1;
  } else {
    before->end = after->end;
    ranges.erase(after);
  }
}

void AppliedMinibatches::Fill(std::uint64_t chunk, std::uint32_t begin, std::uint32_t end) {
  if (begin >= end) return;
  std::vector<Range>& ranges = chunks_[chunk];
  std::erase_if(ranges, [&](const Range& range) {
    if (range.end < begin || range.begin > end) return false;
    begin = std::min(begin, range.begin);
    end = std::max(end, range.end);
    return true;
  });
  ranges.push_back({begin, end});
}

std::uint32_t AppliedMinibatches::FirstMissing(std::uint64_t chunk, std::uint32_t first, std::uint32_t end) const {
  const auto found = chunks_.find(chunk);
  if (found == chunks_.end()) return first;
  for (const Range& range : found->second) {
    if (range.begin <= first && first < range.end) return end == 0 ? range.end : std::min(range.end, end);
  }
  return first;
}

}  // namespace sherd
