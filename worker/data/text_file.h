#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "worker/data/input_files.h"
#include "worker/data/line_reader.h"
#include "worker/data/tf_record.h"

namespace sherd {

// How a file is cut into rows, and which lines are some: not empty ones or ones of spaces alone, not comments, not the
// header. A UTF-8 byte order mark is skipped. Of records each is a row.
struct TextRules {
  enum class Framing { kLines, kTfRecord };
  bool header = false;
  std::string comment = {};  // lines that begin with it are no rows; empty: none are
  Framing framing = Framing::kLines;

  static TextRules Of(const proto::Data& data);
};

// A row as it stands in the file. Its offset names it: in splits, hashes and messages.
struct RowText {
  std::string_view text;  // empty: the line was longer than kMaxLineBytes
  std::uint64_t offset;   // of its first byte in the unpacked file
};

// One input file, cut into rows: either held in memory, where any row can be had, or read again from some offset each
// time. Thread-compatible; const methods may run on several threads.
class TextFile {
 public:
  // Reads the header, where there is one.
  static Result<std::unique_ptr<TextFile>> Open(InputFile file, TextRules rules);

  const std::string& path() const { return file_.path; }
  const std::string& header() const { return header_; }
  bool IsRow(const Line& line) const;

  // The lines from the first one that may be a row.
  Result<std::unique_ptr<LineReader>> Lines() const;
  // Plain files only: the lines that begin at `offset` or later; of records, `offset` is the beginning of one.
  Result<std::unique_ptr<LineReader>> LinesFrom(std::uint64_t offset) const;
  // Can it be read from the middle?
  bool plain() const { return file_.compression == Compression::kNone; }
  // Plain files: where rows begin and end.
  std::uint64_t data_begin() const { return data_begin_; }
  std::uint64_t size() const { return file_.size; }
  // Plain files: where ranges of about `bytes` begin that have whole records, and the file's end; lines can be cut
  // anywhere. Headers are read from the whole file for it, but not when the same ranges were asked for last.
  Result<std::vector<std::uint64_t>> RecordRanges(std::uint64_t bytes) const;
  bool cuts_anywhere() const { return rules_.framing == TextRules::Framing::kLines; }
  // Mean length of the rows in the first MiB, newlines included; at least 1.
  Result<std::uint64_t> EstimateRowBytes() const;

  // Takes the file into memory if its unpacked text and the places of its rows have at most `limit` bytes; tells
  // whether it did. That is a function of the file's content alone, so all ranks decide alike.
  Result<bool> Load(std::uint64_t limit);
  // The rest only after Load.
  std::uint64_t memory_bytes() const { return text_bytes_ + spans_.size() * sizeof(Span); }
  std::uint32_t rows() const { return static_cast<std::uint32_t>(spans_.size()); }
  RowText row(std::uint32_t i) const {
    const Span& span = spans_[i];
    return {{text_.get() + span.offset + header_bytes(), span.length}, span.offset};
  }
  // Where a row stands will be asked for soon. Inlined always: g++ 12 leaves out calls of a function that does nothing
  // but prefetch.
  [[gnu::always_inline]] inline void Prefetch(std::uint32_t i) const { __builtin_prefetch(&spans_[i]); }
  // Line number, from 1, of the row at an offset.
  std::uint64_t LineOf(std::uint64_t offset) const;

  // "file:line", or "file: record N", of the row at an offset, by counting lines when the file is not in memory; "file:
  // byte N" when that would take reading more than a GiB.
  std::string Place(std::uint64_t offset) const;
  // The same when the number of the line, or record, is known.
  std::string PlaceOfLine(std::uint64_t line) const;

 private:
  struct Span {
    std::uint64_t offset;
    std::uint32_t length;  // 0: too long
    std::uint32_t line;    // saturated
  };

  TextFile(InputFile file, TextRules rules) : file_(std::move(file)), rules_(std::move(rules)) {}
  // Of a row, before its text.
  std::uint64_t header_bytes() const { return cuts_anywhere() ? 0 : kTfHeaderBytes; }
  Status ReadHeader();
  std::unique_ptr<LineReader> MakeReader(std::unique_ptr<ByteSource> source, std::uint64_t offset,
                                         std::uint64_t line) const;
  Result<bool> ReadAll(std::uint64_t limit);
  // False when there are more rows than `max_rows`.
  Result<bool> IndexRows(std::uint64_t max_rows);
  Result<bool> IndexRecords(std::uint64_t max_rows);
  void Unload();

  const InputFile file_;
  const TextRules rules_;
  std::string header_;
  std::uint64_t data_begin_ = 0;  // offset and number of the first line that may be a row
  std::uint64_t data_line_ = 1;
  std::unique_ptr<char[]> text_;
  std::uint64_t text_bytes_ = 0;
  std::vector<Span> spans_;
  mutable std::mutex ranges_mutex_;
  mutable std::uint64_t range_bytes_ = 0;  // that record_ranges_ were asked for; 0: none were
  mutable std::vector<std::uint64_t> record_ranges_;
};

}  // namespace sherd
