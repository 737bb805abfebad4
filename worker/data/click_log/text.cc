#include "worker/data/click_log/text.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "worker/data/tf_record.h"

namespace sherd {
namespace {

constexpr std::array<std::string_view, 7> kNames = {"tsv",   "delimited", "libsvm",  "libffm",
                                                    "jsonl", "tfrecord",  "row_file"};
constexpr std::size_t kLongestRow = 2048;

char* Put(std::string_view text, char* out) { return std::copy(text.begin(), text.end(), out); }

template <typename Integer>
char* PutNumber(Integer number, char* out) {
  return std::to_chars(out, out + 24, number).ptr;
}

char* PutColumns(const ClickRow& row, char delimiter, char* out) {
  *out++ = row.click ? '1' : '0';
  for (int i = 0; i < ClickRow::kIntegers; ++i) {
    *out++ = delimiter;
    if (row.has_integer(i)) out = PutNumber(row.integers[i], out);
  }
  for (int i = 0; i < ClickRow::kTokens; ++i) {
    *out++ = delimiter;
    if (row.has_token(i)) out = PutClickToken(row.tokens[i], out);
  }
  return out;
}

char* PutIndexed(const ClickRow& row, bool fields, char* out) {
  *out++ = row.click ? '1' : '0';
  const auto put = [&](int field, std::uint32_t value) {
    *out++ = ' ';
    if (fields) *(out = PutNumber(field, out))++ = ':';
    out = PutNumber(static_cast<std::uint64_t>(field) << 32 | value, out);
    out = Put(":1", out);
  };
  ForEachClickValue(
      row, [&](int i, std::int32_t integer) { put(1 + i, static_cast<std::uint32_t>(integer)); },
      [&](int i, std::uint32_t token) { put(1 + ClickRow::kIntegers + i, token); });
  return out;
}

char* PutJson(const ClickRow& row, char* out) {
  out = Put("{\"label\":", out);
  *out++ = row.click ? '1' : '0';
  const auto name = [&](char kind, int i) {
    out = Put(",\"", out);
    *out++ = kind;
    out = Put("\":", PutNumber(1 + i, out));
  };
  ForEachClickValue(
      row,
      [&](int i, std::int32_t integer) {
        name('I', i);
        out = PutNumber(integer, out);
      },
      [&](int i, std::uint32_t token) {
        name('C', i);
        *out++ = '"';
        *(out = PutClickToken(token, out))++ = '"';
      });
  *out++ = '}';
  return out;
}

char* PutRow(ClickLogFormat format, const ClickRow& row, char* out) {
  switch (format) {
    case ClickLogFormat::kCriteoTsv:
      return PutColumns(row, '\t', out);
    case ClickLogFormat::kDelimited:
      return PutColumns(row, ',', out);
    case ClickLogFormat::kLibsvm:
      return PutIndexed(row, false, out);
    case ClickLogFormat::kLibffm:
      return PutIndexed(row, true, out);
    case ClickLogFormat::kJsonLines:
      return PutJson(row, out);
    case ClickLogFormat::kTfRecord:
    case ClickLogFormat::kRowFile:
      break;
  }
  LOG(FATAL) << "a format that has no lines";
}

// Names of the columns, as JSON and tf.Example have them.
std::array<std::string, ClickRow::kIntegers + ClickRow::kTokens> ColumnNames() {
  std::array<std::string, ClickRow::kIntegers + ClickRow::kTokens> names;
  for (int i = 0; i < ClickRow::kIntegers; ++i) names[i] = "I" + std::to_string(i + 1);
  for (int i = 0; i < ClickRow::kTokens; ++i) names[ClickRow::kIntegers + i] = "C" + std::to_string(i + 1);
  return names;
}

void AppendTfExamples(std::span<const ClickRow> rows, std::string* records) {
  const auto names = ColumnNames();
  TfExampleWriter example;
  std::array<char, 8> token_text;
  for (const ClickRow& row : rows) {
    example.Add("label", std::int64_t{row.click});
    ForEachClickValue(
        row, [&](int i, std::int32_t integer) { example.Add(names[i], std::int64_t{integer}); },
        [&](int i, std::uint32_t token) {
          PutClickToken(token, token_text.data());
          example.Add(names[ClickRow::kIntegers + i], std::string_view(token_text.data(), token_text.size()));
        });
    example.Finish(records);
  }
}

}  // namespace

std::optional<ClickLogFormat> ClickLogFormatOf(const std::string& name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<ClickLogFormat>(found - kNames.begin());
}

std::vector<std::string> ClickLogFormatNames() { return {kNames.begin(), kNames.end()}; }

// All digits at once: each nibble in a byte of its own.
char* PutClickToken(std::uint32_t token, char* out) {
  std::uint64_t x = token;
  x = (x | x << 16) & 0x0000ffff0000ffff;
  x = (x | x << 8) & 0x00ff00ff00ff00ff;
  x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
  const std::uint64_t letters = (x + 0x0606060606060606) >> 4 & 0x0101010101010101;
  x = __builtin_bswap64(x + 0x3030303030303030 + letters * ('a' - '9' - 1));
  std::memcpy(out, &x, sizeof x);
  return out + sizeof x;
}

void AppendClickRows(ClickLogFormat format, std::span<const ClickRow> rows, std::string* text) {
  if (format == ClickLogFormat::kTfRecord) return AppendTfExamples(rows, text);
  std::array<char, kLongestRow> line;
  for (const ClickRow& row : rows) {
    char* const end = PutRow(format, row, line.data());
    *end = '\n';
    text->append(line.data(), static_cast<std::size_t>(end - line.data()) + 1);
  }
}

}  // namespace sherd
