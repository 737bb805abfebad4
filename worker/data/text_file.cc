#include "worker/data/text_file.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace sherd {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::uint64_t kMaxCountedBytes = 1 << 30;
constexpr std::uint32_t kMaxRows = std::numeric_limits<std::uint32_t>::max();

// Bytes that stay where they are.
class MemoryBytes : public ByteSource {
 public:
  explicit MemoryBytes(std::string_view bytes) : rest_(bytes) {}
  Result<std::size_t> Read(char* data, std::size_t size) override {
    const std::size_t n = rest_.copy(data, size);
    rest_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view rest_;
};

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \r") == std::string_view::npos; }

}  // namespace

TextRules TextRules::Of(const proto::Data& data) {
  TextRules rules;
  if (data.format() == proto::Data::TF_RECORD) rules.framing = Framing::kTfRecord;
  if (data.format() != proto::Data::DELIMITED) return rules;
  rules.header = data.delimited().header();
  rules.comment = data.delimited().comment();
  return rules;
}

Result<std::unique_ptr<TextFile>> TextFile::Open(InputFile file, TextRules rules) {
  std::unique_ptr<TextFile> text(new TextFile(std::move(file), std::move(rules)));
  RETURN_IF_ERROR(text->ReadHeader());
  return text;
}

std::unique_ptr<LineReader> TextFile::MakeReader(std::unique_ptr<ByteSource> source, std::uint64_t offset,
                                                 std::uint64_t line) const {
  if (cuts_anywhere()) return std::make_unique<LineReader>(std::move(source), offset, line);
  return std::make_unique<TfRecordReader>(std::move(source), file_.path, offset, line);
}

bool TextFile::IsRow(const Line& line) const {
  if (line.too_long || !cuts_anywhere()) return true;
  if (!rules_.comment.empty() && line.text.starts_with(rules_.comment)) return false;
  // A row's first byte tells it nearly always; only what begins with white space is looked at whole.
  if (!line.text.empty() && static_cast<unsigned char>(line.text[0]) > ' ') return true;
  return !IsBlank(line.text);
}

Status TextFile::ReadHeader() {
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, OpenUnpacked(file_.path, file_.compression, file_.size));
  const std::unique_ptr<LineReader> reader = MakeReader(std::move(source), 0, 1);
  Line line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader->Next(&line));
    if (!more) return Status::BadData(file_.path + ": the file has no rows");
    if (!cuts_anywhere()) return {};
    if (line.offset == 0 && line.text.starts_with(kByteOrderMark)) {
      line.text.remove_prefix(kByteOrderMark.size());
      data_begin_ = kByteOrderMark.size();
    }
    if (!rules_.header) return {};
    if (!IsRow(line)) continue;
    if (line.too_long) return Status::BadData(file_.path + ": the header is longer than 1 MiB");
    header_ = std::string(line.text);
    data_begin_ = reader->next_offset();
    data_line_ = reader->line_number() + 1;
    return {};
  }
}

Result<std::unique_ptr<LineReader>> TextFile::Lines() const {
  if (plain()) {
    ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, OpenFileBytes(file_.path, data_begin_, file_.size));
    return MakeReader(std::move(source), data_begin_, data_line_);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, OpenUnpacked(file_.path, file_.compression, file_.size));
  std::unique_ptr<LineReader> reader = MakeReader(std::move(source), 0, 1);
  RETURN_IF_ERROR(reader->SkipTo(data_begin_));
  return reader;
}

Result<std::unique_ptr<LineReader>> TextFile::LinesFrom(std::uint64_t offset) const {
  CHECK(plain());
  if (offset <= data_begin_) return Lines();
  if (!cuts_anywhere()) {
    ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, OpenFileBytes(file_.path, offset, file_.size));
    return MakeReader(std::move(source), offset, 1);
  }
  // One byte earlier: what ends there, or goes on past it, is the end of a line that began before.
  ASSIGN_OR_RETURN(std::unique_ptr<ByteSource> source, OpenFileBytes(file_.path, offset - 1, file_.size));
  auto reader = std::make_unique<LineReader>(std::move(source), offset - 1, 1);
  Line before;
  RETURN_IF_ERROR(reader->Next(&before).status());
  return reader;
}

Result<std::uint64_t> TextFile::EstimateRowBytes() const {
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> reader, Lines());
  std::uint64_t rows = 0;
  Line line;
  while (reader->next_offset() - data_begin_ < (1 << 20)) {
    ASSIGN_OR_RETURN(const bool more, reader->Next(&line));
    if (!more) break;
    rows += IsRow(line);
  }
  return std::max<std::uint64_t>(1, (reader->next_offset() - data_begin_) / std::max<std::uint64_t>(rows, 1));
}

Result<std::vector<std::uint64_t>> TextFile::RecordRanges(std::uint64_t bytes) const {
  const std::lock_guard lock(ranges_mutex_);
  if (range_bytes_ == bytes) return record_ranges_;
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> reader, Lines());
  std::vector<std::uint64_t> begins = {data_begin_};
  for (Line line;;) {
    ASSIGN_OR_RETURN(const bool more, reader->Next(&line));
    if (!more) break;
    if (reader->next_offset() - begins.back() >= bytes) begins.push_back(reader->next_offset());
  }
  if (begins.back() < file_.size) begins.push_back(file_.size);
  range_bytes_ = bytes;
  return record_ranges_ = std::move(begins);
}

Result<bool> TextFile::Load(std::uint64_t limit) {
  if (text_ != nullptr) return true;
  if (plain() && file_.size > limit) return false;
  ASSIGN_OR_RETURN(const bool fits, ReadAll(limit));
  if (!fits) return false;
  Result<bool> indexed = IndexRows(std::min<std::uint64_t>((limit - text_bytes_) / sizeof(Span), kMaxRows));
  if (!indexed.ok() || !*indexed) Unload();
  return indexed;
}

void TextFile::Unload() {
  text_.reset();
  text_bytes_ = 0;
  spans_ = {};
}

Result<bool> TextFile::ReadAll(std::uint64_t limit) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenUnpacked(file_.path, file_.compression, file_.size));
  std::uint64_t capacity = std::min(plain() ? file_.size + 1 : 4 * file_.size + (64 << 10), limit + 1);
  auto text = std::make_unique_for_overwrite<char[]>(capacity);
  std::uint64_t filled = 0;
  for (;;) {
    if (filled > limit) return false;
    if (filled == capacity) {
      capacity = std::min(capacity + capacity / 2, limit + 1);
      auto larger = std::make_unique_for_overwrite<char[]>(capacity);
      std::memcpy(larger.get(), text.get(), filled);
      text = std::move(larger);
    }
    ASSIGN_OR_RETURN(const std::size_t n, source->Read(text.get() + filled, capacity - filled));
    if (n == 0) break;
    filled += n;
  }
  text_ = std::move(text);
  text_bytes_ = filled;
  return true;
}

Result<bool> TextFile::IndexRecords(std::uint64_t max_rows) {
  TfRecordReader reader(std::make_unique<MemoryBytes>(std::string_view(text_.get(), text_bytes_)), path(), 0, 1);
  for (Line line;;) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) return true;
    if (spans_.size() == max_rows) return false;
    spans_.push_back({line.offset, static_cast<std::uint32_t>(line.text.size()),
                      static_cast<std::uint32_t>(std::min<std::uint64_t>(reader.line_number(), kMaxRows))});
  }
}

Result<bool> TextFile::IndexRows(std::uint64_t max_rows) {
  if (!cuts_anywhere()) return IndexRecords(max_rows);
  std::uint64_t number = data_line_;
  for (std::uint64_t begin = data_begin_; begin < text_bytes_; ++number) {
    const char* text = text_.get() + begin;
    const void* newline = std::memchr(text, '\n', text_bytes_ - begin);
    const std::uint64_t size = newline == nullptr ? text_bytes_ - begin : static_cast<const char*>(newline) - text;
    Line line{{}, begin, size > kMaxLineBytes};
    if (!line.too_long) line.text = {text, size - (size > 0 && text[size - 1] == '\r')};
    if (IsRow(line)) {
      if (spans_.size() == max_rows) return false;
      spans_.push_back({begin, static_cast<std::uint32_t>(line.text.size()),
                        static_cast<std::uint32_t>(std::min<std::uint64_t>(number, kMaxRows))});
    }
    begin += size + 1;
  }
  return true;
}

std::uint64_t TextFile::LineOf(std::uint64_t offset) const {
  const auto after = std::upper_bound(spans_.begin(), spans_.end(), offset,
                                      [](std::uint64_t value, const Span& span) { return value < span.offset; });
  return after == spans_.begin() ? data_line_ : std::prev(after)->line;
}

std::string TextFile::PlaceOfLine(std::uint64_t line) const {
  return path() + (cuts_anywhere() ? ":" : ": record ") + std::to_string(line);
}

std::string TextFile::Place(std::uint64_t offset) const {
  if (!spans_.empty()) return PlaceOfLine(LineOf(offset));
  const std::string by_byte = path() + ": byte " + std::to_string(offset);
  if (offset > kMaxCountedBytes) return by_byte;
  Result<std::unique_ptr<LineReader>> reader = Lines();
  if (!reader.ok()) return by_byte;
  Line line;
  while ((*reader)->next_offset() <= offset) {
    const Result<bool> more = (*reader)->Next(&line);
    if (!more.ok() || !*more) return by_byte;
  }
  return PlaceOfLine((*reader)->line_number());
}

}  // namespace sherd
