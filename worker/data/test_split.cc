#include "worker/data/test_split.h"

#include "worker/data/number_text.h"

namespace sherd {

Result<TestSplit> TestSplit::Parse(const std::string& text) {
  const Status wrong =
      Status::Invalid(text + " is not hash:SHARE, last:SHARE or time:COLUMN:SHARE with a share between 0 and 1");
  TestSplit split;
  const std::size_t first = text.find(':'), last = text.rfind(':');
  if (first == std::string::npos) return wrong;
  const std::string by = text.substr(0, first);
  if (by == "hash") split.by = By::kHash;
  if (by == "last") split.by = By::kLast;
  if (by == "time") split.by = By::kTime;
  const bool named = split.by == By::kTime;
  if (split.by == By::kNone || named != (last > first)) return wrong;
  if (named) split.column = text.substr(first + 1, last - first - 1);
  if (named && split.column.empty()) return wrong;
  if (!ParseFloat(text.substr(last + 1), &split.fraction) || !(split.fraction > 0 && split.fraction < 1)) return wrong;
  return split;
}

}  // namespace sherd
