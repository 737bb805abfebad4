#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "ps/block_reader.h"

namespace sherd {

// Reads a batch of a file's records, which lie at number * record_bytes, neighbours together. It may grow part by part,
// while the first parts are on their way, and begin before it is known where its records are to go, or whether they are
// wanted at all.
// Thread-compatible.
class RecordReader {
 public:
  struct Limits {
    std::uint32_t slots;         // reads under way, or arrived before Finish
    std::uint32_t extent_bytes;  // of a read; a record that is longer has its own
    std::size_t extents;         // of a batch: what is beyond is left out of it
  };
  // A record, and where it goes. Ordered by number.
  struct Wanted {
    std::uint32_t number;
    std::uint32_t place;
    auto operator<=>(const Wanted&) const = default;
  };
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};  // a place: not wanted yet

  // `name` is the file's in errors.
  RecordReader(ScratchFile* file, const std::string& name, std::uint32_t record_bytes, Limits limits,
               std::chrono::milliseconds deadline);

  // Starts reading one more part of the batch; `wanted` is in order.
  void Add(std::span<const Wanted> wanted);
  // The batch is empty again.
  void Forget();
  // Takes over those of `wanted` that the batch, of one part, has and that had no place; answers how many.
  std::size_t Claim(std::vector<Wanted>* wanted);
  // Records of numbers in [first, end) that nobody has claimed are other ones from now on.
  void Drop(std::uint32_t first, std::uint32_t end);
  // Waits for the batch and calls take(wanted, record) for each record that has a place; take returns a Status. The
  // first error; all others are delivered all the same, unless the disk fails.
  template <typename Take>
  Status Finish(Take&& take);

 private:
  std::uint64_t OffsetOf(std::uint32_t number) const { return std::uint64_t{number} * record_bytes_; }
  // False: that would be an extent too many.
  bool Plan(std::uint32_t number);

  const std::uint32_t record_bytes_;
  const Limits limits_;
  BlockReader reader_;
  std::vector<Wanted> batch_;                 // each part in order
  std::vector<BlockReader::Extent> extents_;  // the blocks that hold the part
  std::vector<std::uint32_t> extent_ends_;    // of all extents of the batch, places in batch_
};

template <typename Take>
Status RecordReader::Finish(Take&& take) {
  Status first_error;  // the rest arrives all the same, so that no read is left under way
  while (reader_.pending()) {
    const Result<std::span<const BlockReader::Arrived>> arrived = reader_.Next();
    if (!arrived.ok()) {
      Forget();
      return arrived.status();
    }
    for (const BlockReader::Arrived& blocks : *arrived) {
      for (std::uint32_t i = blocks.extent == 0 ? 0 : extent_ends_[blocks.extent - 1]; i < extent_ends_[blocks.extent];
           ++i) {
        if (batch_[i].place == kNowhere) continue;
        const Status status = take(batch_[i], &blocks.bytes[OffsetOf(batch_[i].number) - blocks.offset]);
        if (!status.ok() && first_error.ok()) first_error = status;
      }
    }
  }
  Forget();
  return first_error;
}

}  // namespace sherd
