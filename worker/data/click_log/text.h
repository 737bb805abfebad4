#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/data/click_log/click_log.h"

namespace sherd {

// How a row of a generated click log is written.
enum class ClickLogFormat {
  kCriteoTsv,  // label, I1..I13, C1..C26 by TABs; tokens as 8 hexadecimal digits, nothing where a value is missing
  kDelimited,  // the same by commas
  kLibsvm,     // label, then index:1 for each value that is not missing
  kLibffm,     // label, then field:index:1
  kJsonLines,  // {"label":0,"I1":5,"C1":"05db9164"} without what is missing
  kTfRecord,   // a tf.Example a row, of the same names: the tokens' texts, all else as int64
  kRowFile,    // docs/row_file.md: I1..I13 as numbers, C1..C26 as keys, or as tokens
};
// In libsvm and libffm, fields count from 1 and the index is field * 2^32 + the token, or the integer modulo 2^32: no
// two values share one.

// By the names "tsv", "delimited", "libsvm", "libffm", "jsonl", "tfrecord", "row_file". Nothing: none of these.
std::optional<ClickLogFormat> ClickLogFormatOf(const std::string& name);
// Those names, in order.
std::vector<std::string> ClickLogFormatNames();

// A token's text: eight hexadecimal digits, written to `out`; what is behind them.
char* PutClickToken(std::uint32_t token, char* out);

// Appends the rows and their line ends, or the records. Not of kRowFile, whose rows are no text.
void AppendClickRows(ClickLogFormat format, std::span<const ClickRow> rows, std::string* text);

}  // namespace sherd
