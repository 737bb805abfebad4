#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"

namespace sherd {

// A file without a name, whose contents nobody needs after a crash, as the system calls show it: each may do less than
// it was asked, and answers how much it did, or -errno. What makes promises of this is SpillFile; what breaks it on
// purpose is the twin of the tests. Thread-compatible.
//
// Offsets, sizes and memory are multiples of kBlock, so that the page cache can be passed by: it would take the memory
// that the hot rows need, and *measured* 30 k random reads a second without it, 19 to 24 k through it.
class ScratchFile {
 public:
  static constexpr std::uint64_t kBlock = 4096;

  struct Read {
    std::uint64_t offset;
    std::span<std::byte> to;
    std::uint64_t tag;
  };
  struct Done {
    std::uint64_t tag;
    std::int64_t result;
  };

  virtual ~ScratchFile() = default;

  virtual std::int64_t Write(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  virtual std::int64_t ReadNow(std::uint64_t offset, std::span<std::byte> bytes) = 0;

  // Starts the first of `reads`, and answers how many. The memory must stay until WaitReads has told of the read's tag.
  // -ENOSYS where many reads at a time can not be had: then there is ReadNow.
  virtual std::int64_t StartReads(std::span<const Read> reads) = 0;
  // Waits for at least one read and answers how many of `done` were filled in; 0 after `patience`.
  virtual std::int64_t WaitReads(std::chrono::milliseconds patience, std::span<Done> done) = 0;

  // Gives blocks within the file back to the disk: they read as zeros.
  virtual std::int64_t PunchHole(std::uint64_t offset, std::uint64_t bytes) = 0;
  virtual std::int64_t Truncate(std::uint64_t bytes) = 0;
  // What the disk has left for us.
  virtual std::int64_t FreeBytes() = 0;
};

// One in `folder`, which is made if need be. The system removes it when it is closed, however the process ends.
Result<std::unique_ptr<ScratchFile>> OpenScratchFile(const std::string& folder);

}  // namespace sherd
