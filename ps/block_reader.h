#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "ps/scratch_file.h"

namespace sherd {

// Reads many extents of a file, hundreds under way together, and hands them over as they arrive. More may be added at
// any time. Reads that come short
// or must be tried again are; one that gets no further for `deadline` is an error. Thread-compatible.
class BlockReader {
 public:
  // Whole blocks, at most `max_bytes`.
  struct Extent {
    std::uint64_t offset;
    std::uint32_t bytes;
  };
  struct Arrived {
    std::uint32_t extent;  // its place among those added
    std::uint64_t offset;
    std::span<const std::byte> bytes;
  };

  // `name` is the file's in errors. slots: reads under way, or arrived and not yet taken, at most. Memory: slots *
  // max_bytes of addresses, of which only what reads have filled is real.
  BlockReader(ScratchFile* file, std::string name, std::uint32_t slots, std::uint32_t max_bytes,
              std::chrono::milliseconds deadline);
  ~BlockReader();

  // Starts reading, some hundreds at a time: the rest by and by, in later calls of Add and Next.
  void Add(std::span<const Extent> extents);
  bool pending() const { return handed_count_ < extents_.size(); }
  // At least one of those pending; the bytes stay until the next call. After an error nothing is pending.
  Result<std::span<const Arrived>> Next();
  // All is as before the first Add. Waits for reads under way, `deadline` at most; then their slots stay taken.
  void Forget();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::uint32_t kForgotten = ~std::uint32_t{0};
  struct Slot {
    std::uint32_t extent = kForgotten;
    std::uint32_t filled = 0;  // bytes of the extent that are there
  };
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };

  void FreeHanded();
  std::span<std::byte> Memory(std::uint32_t slot, std::uint32_t bytes) const;
  void StartMore();
  // Moves what is to be tried again, and then what has not been tried, into reads; as many as slots allow.
  void QueueReads();
  Status WaitForSome(std::chrono::milliseconds patience);
  Status Take(const ScratchFile::Done& done);
  // Where there is no queue: one read, now.
  Status ReadOne();
  Status Fail(const Extent& extent, std::uint32_t slot, std::int64_t result) const;

  ScratchFile* const file_;
  const std::string name_;
  const std::uint32_t max_bytes_;
  const std::chrono::milliseconds deadline_;
  std::unique_ptr<std::byte, Free> memory_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;          // slots
  std::vector<ScratchFile::Read> to_start_;  // in slots, but not with the system yet
  std::vector<ScratchFile::Done> done_;
  std::vector<Arrived> arrived_, handed_;  // not handed over yet; by the last Next
  Status trouble_;                         // what Add met, for Next to tell
  std::vector<Extent> extents_;
  std::uint32_t next_ = 0;  // the first extent without a slot
  std::uint32_t handed_count_ = 0;
  std::uint32_t under_way_ = 0;  // reads that the system has
  bool has_queue_ = true;
};

}  // namespace sherd
