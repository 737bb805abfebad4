#pragma once

#include <cstdint>
#include <memory>
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

  // False at the end. The text is valid until the next call.
  Result<bool> Next(Line* line);
  // Goes on at `offset`, the beginning of a line or, in the first one, a byte within; not backwards.
  Status SkipTo(std::uint64_t offset);
  // Where the next line begins.
  std::uint64_t next_offset() const { return offset_; }
  // Number of the line that Next gave last.
  std::uint64_t line_number() const { return line_; }

 private:
  Result<bool> Fill();
  Result<bool> SkipLongLine(Line* line);
  void Take(std::size_t size, std::size_t newline, Line* line);

  const std::unique_ptr<ByteSource> source_;
  const std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what is read and not yet handed out
  std::uint64_t offset_;             // of begin_ in the file
  std::uint64_t line_;
};

}  // namespace sherd
