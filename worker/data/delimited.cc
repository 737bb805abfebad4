#include <algorithm>
#include <cstring>
#include <utility>

#include "worker/data/field_ends.h"
#include "worker/data/row_parser.h"

namespace sherd {
namespace {

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Walks over the fields of a line.
class FieldCutter {
 public:
  explicit FieldCutter(const proto::Delimited& format)
      : delimiter_(format.delimiter()[0]), trim_(format.trim()), quotes_(format.quotes()) {}

  void Begin(std::string_view line) {
    rest_ = line;
    more_ = true;
    unescaped_.clear();
    unescaped_.reserve(line.size());  // views of it are handed out, so it may not move within a line
  }
  bool more() const { return more_; }

  // Valid until Begin. False when a quoted field is malformed.
  bool Next(std::string_view* field, RowError* error) {
    if (quotes_) {
      const std::size_t first = trim_ ? SkipBlanks(0) : 0;
      if (first < rest_.size() && rest_[first] == '"') return NextQuoted(first + 1, field, error);
    }
    const void* found = rest_.empty() ? nullptr : std::memchr(rest_.data(), delimiter_, rest_.size());
    const std::size_t size = found == nullptr ? rest_.size() : static_cast<const char*>(found) - rest_.data();
    *field = trim_ ? Trim(rest_.substr(0, size)) : rest_.substr(0, size);
    MoveOn(size);
    return true;
  }

 private:
  // `begin` is behind the opening quote.
  bool NextQuoted(std::size_t begin, std::string_view* field, RowError* error) {
    const std::size_t start = unescaped_.size();
    bool escapes = false;
    std::size_t end = begin;
    for (;; end += 2) {
      const std::size_t quote = rest_.find('"', end);
      if (quote == std::string_view::npos) return Refuse(error, "closing quote expected", rest_.substr(begin - 1));
      if (escapes || (quote + 1 < rest_.size() && rest_[quote + 1] == '"')) {
        unescaped_.append(rest_.substr(end, quote - end));
        escapes = true;
      }
      end = quote;
      if (quote + 1 >= rest_.size() || rest_[quote + 1] != '"') break;
      unescaped_ += '"';
    }
    *field = escapes ? std::string_view(unescaped_).substr(start) : rest_.substr(begin, end - begin);
    const std::size_t next = trim_ ? SkipBlanks(end + 1) : end + 1;
    if (next < rest_.size() && rest_[next] != delimiter_) {
      return Refuse(error, "delimiter expected after closing quote", rest_.substr(next));
    }
    MoveOn(next);
    return true;
  }

  // The first place from `begin` on that is no blank, or is the delimiter, which may be one.
  std::size_t SkipBlanks(std::size_t begin) const {
    while (begin < rest_.size() && (rest_[begin] == ' ' || rest_[begin] == '\t') && rest_[begin] != delimiter_) ++begin;
    return begin;
  }

  // Behind the delimiter at `size`, or to the end.
  void MoveOn(std::size_t size) {
    more_ = size < rest_.size();
    rest_.remove_prefix(more_ ? size + 1 : rest_.size());
  }

  const char delimiter_;
  const bool trim_, quotes_;
  std::string_view rest_;
  std::string unescaped_;
  bool more_ = false;
};

class DelimitedParser : public RowParser {
 public:
  // `names`: of all columns of the file, in order.
  DelimitedParser(const proto::Job& job, const Schema& schema, Labels labels, const std::vector<std::string>& names)
      : RowParser(job, schema, labels),
        delimiter_(job.data().delimited().delimiter()[0]),
        trim_(job.data().delimited().trim()),
        quotes_(job.data().delimited().quotes()),
        cutter_(job.data().delimited()),
        ends_(names.size() + kFieldEndsSlack) {
    for (const std::string& name : names) {
      const auto column = std::find_if(schema.columns.begin(), schema.columns.end(),
                                       [&](const Schema::Column& one) { return one.name == name; });
      slots_.push_back(column == schema.columns.end() ? -1 : static_cast<int>(column - schema.columns.begin()));
    }
    for (const int slot : slots_) {
      if (slot != schema.label || slot < 0) unlabelled_slots_.push_back(slot);
    }
  }

  bool Reads(int column) const { return std::find(slots_.begin(), slots_.end(), column) != slots_.end(); }

 protected:
  bool Split(std::string_view line, Row* row, RowError* error) override {
    std::size_t fields = 0;
    if (!SplitBy(slots_, line, row, &fields, error)) return false;
    if (labels_ == Labels::kIgnored && fields + 1 == slots_.size() && fields == unlabelled_slots_.size()) {
      row->values[schema_.label].text = {};
      if (!SplitBy(unlabelled_slots_, line, row, &fields, error)) return false;
    } else if (fields != slots_.size()) {
      return Refuse(error, std::to_string(slots_.size()) + " columns expected", std::to_string(fields));
    }
    row->label_text = row->values[schema_.label].text;
    return true;
  }

 private:
  bool SplitBy(const std::vector<int>& slots, std::string_view line, Row* row, std::size_t* fields, RowError* error) {
    if (!quotes_ || line.find('"') == std::string_view::npos) {
      *fields = SplitPlain(slots, line, row);
      return true;
    }
    cutter_.Begin(line);
    for (*fields = 0; cutter_.more(); ++*fields) {
      std::string_view field;
      if (!cutter_.Next(&field, error)) return false;
      if (*fields < slots.size() && slots[*fields] >= 0) {
        row->values[slots[*fields]].text = IsMissing(field) ? std::string_view() : field;
      }
    }
    return true;
  }

  // Of a line without quotes, whose fields end at every delimiter; returns how many there are.
  std::size_t SplitPlain(const std::vector<int>& slots, std::string_view line, Row* row) {
    const int most = static_cast<int>(slots.size());
    const int fields = FindFieldEnds(line, delimiter_, most, ends_.data());
    std::uint32_t begin = 0;
    for (int i = 0; i < std::min(fields, most); begin = ends_[i++] + 1) {
      if (slots[i] < 0) continue;
      const std::string_view text = line.substr(begin, ends_[i] - begin);
      const std::string_view field = trim_ ? Trim(text) : text;
      row->values[slots[i]].text = IsMissing(field) ? std::string_view() : field;
    }
    return static_cast<std::size_t>(fields);
  }

  bool IsMissing(std::string_view field) const {
    for (const std::string& mark : job_.data().delimited().missing()) {
      if (field == mark) return true;
    }
    return false;
  }

  const char delimiter_;
  const bool trim_, quotes_;
  FieldCutter cutter_;
  std::vector<std::uint32_t> ends_;    // of a line's fields
  std::vector<int> slots_;             // the schema's column of each field; -1: not read
  std::vector<int> unlabelled_slots_;  // the same for rows that lack the label
};

}  // namespace

Result<std::unique_ptr<RowParser>> MakeDelimitedParser(const proto::Job& job, const Schema& schema,
                                                       RowParser::Labels labels, const std::string& path,
                                                       const std::string& header) {
  const proto::Delimited& format = job.data().delimited();
  std::vector<std::string> names;
  if (format.header()) {
    FieldCutter cutter(format);
    RowError error;
    std::string_view field;
    for (cutter.Begin(header); cutter.more();) {
      if (!cutter.Next(&field, &error)) return Status::BadData(path + ": header: " + error.expected);
      names.emplace_back(field);
    }
  } else {
    for (const proto::Column& column : format.column()) {
      for (std::string& name : NamesOf(column)) names.push_back(std::move(name));
    }
  }
  auto parser = std::make_unique<DelimitedParser>(job, schema, labels, names);
  for (int i = 0; i < static_cast<int>(schema.columns.size()); ++i) {
    if (parser->Reads(i) || (i == schema.label && labels == RowParser::Labels::kIgnored)) continue;
    return Status::BadData(path + ": the header has no column \"" + schema.columns[i].name + "\"");
  }
  return std::unique_ptr<RowParser>(std::move(parser));
}

}  // namespace sherd
