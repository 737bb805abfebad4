#include "launch/convert/conversion_text.h"

#include <algorithm>
#include <cstdio>

#include "base/byte_count.h"
#include "launch/progress_display.h"

namespace sherd {
namespace {

constexpr int kColumnsShown = 60;
constexpr int kTokensShown = 3;

std::string Number(const char* format, double number) {
  char text[64];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

// A token may end on a terminal.
std::string Printable(const std::string& token) {
  std::string text;
  for (const char c : token) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return text;
}

std::string ColumnLine(const proto::DataColumn& column) {
  char begin[160];
  std::snprintf(begin, sizeof begin, "  %-20s %14s %14s  ", column.name().c_str(), WithCommas(column.missing()).c_str(),
                WithCommas(column.distinct()).c_str());
  std::string line = begin;
  if (column.has_mean()) {
    line += Number("%.4g", column.min()) + " .. " + Number("%.4g", column.max()) + ", mean " +
            Number("%.4g", column.mean()) + " +- " + Number("%.4g", column.deviation());
  }
  for (int i = 0; i < std::min(kTokensShown, column.token_size()); ++i) {
    const double share = 100.0 * static_cast<double>(column.token(i).count()) / static_cast<double>(column.count());
    line += (i > 0 ? ", " : "") + Printable(column.token(i).text()) + " " + Number("%.1f %%", share);
  }
  return line + "\n";
}

}  // namespace

std::string DescribeConversion(const ConversionFigures& figures, const proto::DataStatistics& statistics,
                               const std::vector<proto::BadRow>& bad) {
  static constexpr const char* kNames[] = {"train", "eval", "test"};
  std::string text;
  for (int set = 0; set < 3; ++set) {
    if (figures.files[set] == 0) continue;
    const double rows = static_cast<double>(figures.rows[set]);
    char line[200];
    std::snprintf(line, sizeof line, "%-9s %s rows in %zu file%s, mean label %.6g\n", kNames[set],
                  WithCommas(figures.rows[set]).c_str(), figures.files[set], figures.files[set] == 1 ? "" : "s",
                  figures.label_sums[set] / rows);
    text += line;
  }
  if (figures.bad_rows > 0) text += "bad rows  " + WithCommas(figures.bad_rows) + " left out\n";
  for (const proto::BadRow& kind : bad) {
    text += "  " + WithCommas(kind.count()) + " x " + kind.reason() + ", first at " + kind.where() + "\n";
  }
  const double in = static_cast<double>(figures.bytes_in), out = static_cast<double>(figures.bytes_out);
  text += "bytes     " + BytesText(figures.bytes_in) + " became " + BytesText(figures.bytes_out) + ", " +
          Number("%.3f", out / in) + " of it\n";
  text +=
      "time      " + Number("%.1f s", figures.seconds) + ", " + Number("%.0f MB/s", in / 1e6 / figures.seconds) + "\n";
  if (statistics.column_size() > 0) text += "  column                      missing       distinct\n";
  for (int i = 0; i < std::min(kColumnsShown, statistics.column_size()); ++i) text += ColumnLine(statistics.column(i));
  if (statistics.column_size() > kColumnsShown) {
    text += "  and " + std::to_string(statistics.column_size() - kColumnsShown) + " more in statistics.pbtxt\n";
  }
  return text;
}

}  // namespace sherd
