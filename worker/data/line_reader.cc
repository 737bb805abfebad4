#include "worker/data/line_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sherd {
namespace {
// An unfinished line of the longest length still leaves room to read on.
constexpr std::size_t kBufferBytes = 2 * kMaxLineBytes;
// Of lines that are kept: what is read is cut into lines while it is in cache.
constexpr std::size_t kPieceBytes = 256 << 10;
}  // namespace

LineReader::LineReader(std::unique_ptr<ByteSource> source, std::uint64_t offset, std::uint64_t line)
    : source_(std::move(source)),
      own_buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)),
      buffer_(own_buffer_.get(), kBufferBytes),
      offset_(offset),
      line_(line - 1) {}

void LineReader::KeepLines(std::span<char> room) {
  CHECK_GT(room.size(), kLineRoom);
  std::memcpy(room.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  buffer_ = room;
  own_buffer_.reset();
  keeps_ = true;
}

// Of what is not yet handed out.
void LineReader::MoveToFront() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

// Reads behind the unfinished line. False at the end of the source.
Result<bool> LineReader::Fill() {
  if (!keeps_) MoveToFront();
  CHECK_LT(end_, buffer_.size());
  const std::size_t size = std::min(buffer_.size() - end_, keeps_ ? kPieceBytes : buffer_.size());
  ASSIGN_OR_RETURN(const std::size_t n, source_->Read(buffer_.data() + end_, size));
  end_ += n;
  return n > 0;
}

void LineReader::Take(std::size_t size, std::size_t newline, Line* line) {
  const char* text = buffer_.data() + begin_;
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
    line_ += std::count(buffer_.data() + begin_, buffer_.data() + begin_ + size, '\n');
    begin_ += size;
    offset_ += size;
  }
  return {};
}

Result<bool> LineReader::Need(std::size_t size) {
  while (end_ - begin_ < size) {
    ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more) return false;
  }
  return true;
}

Result<bool> LineReader::Skip(std::uint64_t size) {
  const std::size_t start = begin_;
  for (;;) {
    const std::size_t now = std::min<std::uint64_t>(size, end_ - begin_);
    Pass(now);
    size -= now;
    if (size == 0) return true;
    if (keeps_) begin_ = end_ = start;  // what is skipped takes no room
    ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more) return false;
  }
}

Result<bool> LineReader::SkipLongLine(Line* line) {
  *line = {{}, offset_, true};
  ++line_;
  for (const std::size_t start = begin_;;) {
    const void* found = std::memchr(buffer_.data() + begin_, '\n', end_ - begin_);
    const std::size_t size =
        found == nullptr ? end_ - begin_ : static_cast<const char*>(found) - (buffer_.data() + begin_) + 1;
    begin_ += size;
    offset_ += size;
    if (found != nullptr) return true;
    if (keeps_) begin_ = end_ = start;  // its text is not kept
    ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more) return true;
  }
}

Result<bool> LineReader::Next(Line* line) {
  std::size_t scanned = 0;  // of the unfinished line
  for (;;) {
    const char* text = buffer_.data() + begin_;
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
