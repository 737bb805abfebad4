#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/status.h"
#include "worker/data/byte_source.h"

namespace sherd {

// Longer lines are bad rows, whose text is not kept: memory stays bounded whatever a file holds.
inline constexpr std::size_t kMaxLineBytes = 1 << 20;

struct Line {
  std::string_view text;  // without its "\n" or "\r\n"; empty when it is too long
  std::uint64_t offset;   // of its first byte in the unpacked file
  bool too_long;
};

// Cuts a byte source into lines, in bounded memory. The last line needs no newline. Confined to one thread.
class LineReader {
 public:
  // `source` stands at `offset` of the file, whose line there has number `line` (counted from 1).
  LineReader(std::unique_ptr<ByteSource> source, std::uint64_t offset, std::uint64_t line);
  virtual ~LineReader() = default;

  // From now on lines are read into `room`, which must stay, and are valid until Release, in place of the next call.
  // `room` has kLineRoom bytes more than may be read before each Release.
  void KeepLines(std::span<char> room);
  static constexpr std::size_t kLineRoom = 2 * kMaxLineBytes + (512 << 10);
  void Release() { MoveToFront(); }

  // False at the end. The text is valid until the next call.
  virtual Result<bool> Next(Line* line);
  // Goes on at `offset`, the beginning of a line or, in the first one, a byte within; not backwards.
  Status SkipTo(std::uint64_t offset);
  // Where the next line begins.
  std::uint64_t next_offset() const { return offset_; }
  // Number of the line that Next gave last.
  std::uint64_t line_number() const { return line_; }

 protected:
  // For readers of what is no lines: what is read and not yet handed out, and ways to make it `size` bytes at least (up
  // to kMaxLineBytes and a little), and to take some away. False: the source ends before.
  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  Result<bool> Need(std::size_t size);
  void Pass(std::size_t size) { begin_ += size, offset_ += size; }
  Result<bool> Skip(std::uint64_t size);
  void CountLine() { ++line_; }

 private:
  void MoveToFront();
  Result<bool> Fill();
  Result<bool> SkipLongLine(Line* line);
  void Take(std::size_t size, std::size_t newline, Line* line);

  const std::unique_ptr<ByteSource> source_;
  std::unique_ptr<char[]> own_buffer_;
  std::span<char> buffer_;
  bool keeps_ = false;               // lines that were handed out are still in use
  std::size_t begin_ = 0, end_ = 0;  // of what is read and not yet handed out
  std::uint64_t offset_;             // of begin_ in the file
  std::uint64_t line_;
};

}  // namespace sherd
