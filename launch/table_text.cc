#include "launch/table_text.h"

#include "base/byte_count.h"
#include "launch/progress_display.h"

namespace sherd {
namespace {

void AddItem(const std::string& item, std::string* list) { list->append(list->empty() ? "" : ", ").append(item); }

std::string Parts(const proto::TableStatus& t) {
  std::string parts;
  const auto add = [&](const char* name, std::uint64_t bytes) {
    if (bytes > 0) AddItem(std::string(name).append(" ") + BytesText(bytes), &parts);
  };
  add("keys", t.key_bytes());
  add("index", t.index_bytes());
  add("weights", t.weight_bytes());
  add("state", t.state_bytes());
  add("slack", t.slack_bytes());
  return parts.empty() ? "" : std::string(" (").append(parts).append(")");
}

}  // namespace

std::string TableText(const proto::TableStatus& t) {
  std::string text = t.name() + ": " + WithCommas(t.rows()) + (t.rows() == 1 ? " row, " : " rows, ");
  text += BytesText(t.bytes()) + Parts(t);
  const auto add = [&](std::uint64_t count, const std::string& what) {
    if (count > 0) AddItem(WithCommas(count) + " " + what, &text);
  };
  add(t.spilled_rows(), "on disk (" + BytesText(t.spilled_bytes()) + ")");
  add(t.evicted_rows(), "evicted");
  add(t.candidates(), "candidates");
  add(t.dropped_updates(), "updates of candidates dropped");
  const std::string last = t.has_refused_key() ? ", the last of key " + std::to_string(t.refused_key()) : "";
  add(t.refused_rows(), "updates refused" + last);
  return text;
}

}  // namespace sherd
