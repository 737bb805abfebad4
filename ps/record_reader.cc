#include "ps/record_reader.h"

#include <algorithm>

namespace sherd {
namespace {

constexpr std::uint64_t kBlock = ScratchFile::kBlock;
// Blocks between two records are read along: one read of 16 KB costs less than two of 4 KB (17 to 23 k
// against 25 to 36 k a second).
constexpr std::uint64_t kMergeGap = 16 << 10;
constexpr std::uint64_t kMostBytes = 64 << 10;  // of a read, but for a longer record
constexpr std::uint32_t kSlots = 1024;          // most for reads that have arrived before all are asked for

constexpr std::uint64_t Up(std::uint64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }
constexpr std::uint64_t Down(std::uint64_t bytes) { return bytes / kBlock * kBlock; }

}  // namespace

RecordReader::RecordReader(ScratchFile* file, const std::string& name, std::uint32_t record_bytes,
                           std::chrono::milliseconds deadline)
    : record_bytes_(record_bytes),
      reader_(file, name, kSlots, static_cast<std::uint32_t>(std::max(kMostBytes, Up(record_bytes) + kBlock)),
              deadline) {}

void RecordReader::Add(std::span<const Wanted> wanted) {
  extents_.clear();
  for (const Wanted& record : wanted) {
    batch_.push_back(record);
    Plan(record.number);
  }
  reader_.Add(extents_);
}

void RecordReader::Plan(std::uint32_t number) {
  const std::uint64_t begin = OffsetOf(number), end = Up(begin + record_bytes_);
  BlockReader::Extent* last = extents_.empty() ? nullptr : &extents_.back();
  if (last != nullptr && Down(begin) <= last->offset + last->bytes + kMergeGap && end - last->offset <= kMostBytes) {
    last->bytes = static_cast<std::uint32_t>(std::max(last->bytes + last->offset, end) - last->offset);
    extent_ends_.back() = static_cast<std::uint32_t>(batch_.size());
  } else {
    extents_.push_back({.offset = Down(begin), .bytes = static_cast<std::uint32_t>(end - Down(begin))});
    extent_ends_.push_back(static_cast<std::uint32_t>(batch_.size()));
  }
}

void RecordReader::Forget() {
  reader_.Forget();
  batch_.clear();
  extent_ends_.clear();
}

}  // namespace sherd
