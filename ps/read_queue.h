#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "ps/scratch_file.h"

namespace sherd {

// Reads of one file that are under way together, through io_uring: the only door to liburing. Thread-compatible.
class ReadQueue {
 public:
  static constexpr std::uint32_t kDepth = 1024;  // reads under way at most

  // Null where the system has no io_uring or forbids it (a kernel setting, a container's seccomp); `error` says why.
  static std::unique_ptr<ReadQueue> Open(int descriptor, int* error);
  ~ReadQueue();

  // As ScratchFile's.
  std::int64_t Start(std::span<const ScratchFile::Read> reads);
  std::int64_t Wait(std::chrono::milliseconds patience, std::span<ScratchFile::Done> done);

 private:
  struct Ring;
  explicit ReadQueue(std::unique_ptr<Ring> ring);

  const std::unique_ptr<Ring> ring_;
};

}  // namespace sherd
