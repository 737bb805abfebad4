#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <thread>

#include "base/aligned_buffer.h"
#include "base/file.h"
#include "base/status.h"

namespace sherd {

// Reads a part of a file from front to end in a thread of its own, which is ahead of who takes the bytes: the disk
// never waits. Nothing of it stays in the page cache. Thread-compatible.
class ReadAhead {
 public:
  static constexpr std::size_t kBuffers = 3;
  static constexpr std::size_t kBufferBytes = std::size_t{4} << 20;  // what a disk needs for its full rate

  // Bytes [begin, end) of the file, which outlives this. In memory there are kBuffers of `buffer_bytes`, a multiple of
  // 4096.
  ReadAhead(const FileReader& file, std::uint64_t begin, std::uint64_t end, std::size_t buffer_bytes = kBufferBytes);
  ~ReadAhead();

  // Fills `bytes` with those that come next; they must be there. Fails when the file ends before.
  Status Read(std::span<std::byte> bytes);
  // Where the next one is in the file.
  std::uint64_t position() const { return position_; }

 private:
  void Run();
  Status Fill(std::uint64_t begin, std::span<std::byte> buffer);

  const FileReader& file_;
  const std::uint64_t end_;
  const std::size_t buffer_bytes_;
  std::uint64_t first_page_;  // of the file, that is read
  std::uint64_t position_;    // of who takes
  AlignedBuffer<std::byte> memory_;
  std::array<std::span<std::byte>, kBuffers> buffers_;  // of whole pages of the file

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t filled_ = 0, taken_ = 0;  // buffers
  Status status_;                         // of the one behind the filled ones
  bool cancelled_ = false;
  std::uint64_t ready_ = 0;  // what filled_ was when who takes last looked
  std::thread thread_;
};

}  // namespace sherd
