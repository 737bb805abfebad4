#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "ps/scratch_file.h"

namespace sherd {

// Reads of one file that are under way together, through io_uring: the only door to liburing. Thread-compatible.
class ReadQueue : public ScratchFile::Queue {
 public:
  static constexpr std::uint32_t kDepth = 1024;  // reads under way at most

  // Where the system has no io_uring or forbids it (a kernel setting, a container's seccomp) Start says why.
  explicit ReadQueue(int descriptor);
  ~ReadQueue() override;

  std::int64_t Start(std::span<const ScratchFile::Read> reads) override;
  std::int64_t Wait(std::chrono::milliseconds patience, std::span<ScratchFile::Done> done) override;

 private:
  struct Ring;

  const int descriptor_;
  int error_ = 0;
  std::unique_ptr<Ring> ring_;     // null: error_ says why
  std::uint32_t unsubmitted_ = 0;  // entries that the kernel has not taken yet
};

}  // namespace sherd
