#include "worker/data/line_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sherd {
namespace {
// An unfinished line of the longest length still leaves room to read on.
constexpr std::size_t kBufferBytes = 2 * kMaxLineBytes;
}  // namespace

LineReader::LineReader(std::unique_ptr<ByteSource> source, std::uint64_t offset, std::uint64_t line)
    : source_(std::move(source)),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)),
      offset_(offset),
      line_(line - 1) {}

// Moves the unfinished line to the front and reads behind it. False at the end of the source.
Result<bool> LineReader::Fill() {
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  ASSIGN_OR_RETURN(const std::size_t n, source_->Read(buffer_.get() + end_, kBufferBytes - end_));
  end_ += n;
  return n > 0;
}

void LineReader::Take(std::size_t size, std::size_t newline, Line* line) {
  const char* text = buffer_.get() + begin_;
  line->offset = offset_;
  line->too_long = size > kMaxLineBytes;
  begin_ += size + newline;
  offset_ += size + newline;
  ++line_;
  if (size > 0 && text[size - 1] == '\r') --size;
  line->text = line->too_long ? std::string_view() : std::string_view(text, size);
}

Status LineReader::SkipTo(std::uint64_t offset) {
  while (offset_ < offset) {
    if (begin_ == end_) {
      ASSIGN_OR_RETURN(const bool more, Fill());
      if (!more) return {};
    }
    const std::size_t size = std::min<std::uint64_t>(end_ - begin_, offset - offset_);
    line_ += std::count(buffer_.get() + begin_, buffer_.get() + begin_ + size, '\n');
    begin_ += size;
    offset_ += size;
  }
  return {};
}

Result<bool> LineReader::SkipLongLine(Line* line) {
  *line = {{}, offset_, true};
  ++line_;
  for (;;) {
    const void* found = std::memchr(buffer_.get() + begin_, '\n', end_ - begin_);
    const std::size_t size =
        found == nullptr ? end_ - begin_ : static_cast<const char*>(found) - (buffer_.get() + begin_) + 1;
    begin_ += size;
    offset_ += size;
    if (found != nullptr) return true;
    ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more) return true;
  }
}

Result<bool> LineReader::Next(Line* line) {
  std::size_t scanned = 0;  // of the unfinished line
  for (;;) {
    const char* text = buffer_.get() + begin_;
    const std::size_t size = end_ - begin_;
    if (const void* found = std::memchr(text + scanned, '\n', size - scanned)) {
      Take(static_cast<const char*>(found) - text, 1, line);
      return true;
    }
    if (size > kMaxLineBytes) return SkipLongLine(line);
    scanned = size;
    ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more && size == 0) return false;
    if (!more) {
      Take(size, 0, line);
      return true;
    }
  }
}

}  // namespace sherd
