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

// Reads a batch of a file's records, which lie at number * record_bytes, neighbours together. The batch may grow part
// by part while the first parts are on their way. Thread-compatible.
class RecordReader {
 public:
  // A record, and where it goes. Ordered by number.
  struct Wanted {
    std::uint32_t number;
    std::uint32_t place;
    auto operator<=>(const Wanted&) const = default;
  };

  // `name` is the file's in errors.
  RecordReader(ScratchFile* file, const std::string& name, std::uint32_t record_bytes,
               std::chrono::milliseconds deadline);

  // Starts reading one more part of the batch; `wanted` is in order.
  void Add(std::span<const Wanted> wanted);
  // Waits for the batch and calls take(wanted, record) for each record; take returns a Status. The first error; all
  // others are delivered all the same, unless the disk fails. The batch is empty then.
  template <typename Take>
  Status Finish(Take&& take);

 private:
  std::uint64_t OffsetOf(std::uint32_t number) const { return std::uint64_t{number} * record_bytes_; }
  void Plan(std::uint32_t number);
  void Forget();

  const std::uint32_t record_bytes_;
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
        const Status status = take(batch_[i], &blocks.bytes[OffsetOf(batch_[i].number) - blocks.offset]);
        if (!status.ok() && first_error.ok()) first_error = status;
      }
    }
  }
  Forget();
  return first_error;
}

}  // namespace sherd
