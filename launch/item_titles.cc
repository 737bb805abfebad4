#include "launch/item_titles.h"

#include <memory>
#include <optional>
#include <string_view>

#include "worker/data/text_file.h"

namespace sherd {
namespace {

// Takes the next field of a line, and the comma behind it. Nothing: a quoted field without an end.
std::optional<std::string> TakeField(std::string_view* rest) {
  std::string field;
  if (!rest->starts_with('"')) {
    field = rest->substr(0, rest->find(','));
    rest->remove_prefix(field.size());
  } else {
    rest->remove_prefix(1);
    for (;; rest->remove_prefix(1)) {
      if (rest->empty()) return std::nullopt;
      if (rest->starts_with('"')) {
        rest->remove_prefix(1);
        if (!rest->starts_with('"')) break;
      }
      field += rest->front();
    }
  }
  if (rest->starts_with(',')) rest->remove_prefix(1);
  return field;
}

}  // namespace

Result<std::unordered_map<std::string, std::string>> ReadItemTitles(const std::string& path) {
  ASSIGN_OR_RETURN(InputFile input, FindInputFile(proto::Data(), path));
  ASSIGN_OR_RETURN(const std::unique_ptr<TextFile> file, TextFile::Open(std::move(input), {.header = true}));
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, file->Lines());
  std::unordered_map<std::string, std::string> titles;
  for (Line line;;) {
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more) return titles;
    if (!file->IsRow(line)) continue;
    std::string_view rest = line.text;
    const auto item = TakeField(&rest);
    const bool title_follows = !rest.empty();
    const auto title = TakeField(&rest);
    if (!item || item->empty() || !title_follows || !title) {
      return Status::BadData(path + ":" + std::to_string(lines->line_number()) + ": item,title expected");
    }
    titles.emplace(*item, *title);
  }
}

}  // namespace sherd
