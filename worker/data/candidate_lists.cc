#include "worker/data/candidate_lists.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "worker/data/text_file.h"

namespace sherd {
namespace {

std::string_view NextField(std::string_view* rest) {
  const std::size_t end = std::min(rest->find('\t'), rest->size());
  const std::string_view field = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return field;
}

}  // namespace

Result<CandidateLists> CandidateLists::Read(InputFile input, std::span<const Interaction> rows, const Vocabulary& users,
                                            Vocabulary* items) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TextFile> file, TextFile::Open(std::move(input), {}));
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, file->Lines());
  CandidateLists lists;
  std::size_t row = 0;
  for (Line line;;) {
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more && row == rows.size()) return lists;
    if (!more) {
      return Status::BadData(file->path() + ": " + std::to_string(row) + " lists for " + std::to_string(rows.size()) +
                             " test rows");
    }
    if (!file->IsRow(line)) continue;
    const std::string place = file->path() + ":" + std::to_string(lines->line_number());
    if (row == rows.size()) return Status::BadData(place + ": more lists than test rows");
    const Interaction& of = rows[row++];
    if (of.user == Vocabulary::kNone) continue;
    if (line.too_long) return Status::BadData(place + ": line of at most 1 MiB expected");
    RETURN_IF_ERROR(lists.AddLine(line.text, of, users, items).Annotate(place));
  }
}

Status CandidateLists::AddLine(std::string_view text, const Interaction& row, const Vocabulary& users,
                               Vocabulary* items) {
  std::string_view pair = NextField(&text);
  const std::size_t comma = pair.find(',');
  if (pair.size() < 5 || pair.front() != '(' || pair.back() != ')' || comma == std::string_view::npos) {
    return Status::BadData("(user,item) expected");
  }
  if (HashBytes(pair.substr(1, comma - 1)) != users.hash(row.user) ||
      HashBytes(pair.substr(comma + 1, pair.size() - comma - 2)) != items->hash(row.item)) {
    return Status::BadData("the list is not that of the test row in line " + std::to_string(row.line));
  }
  if (text.empty()) return Status::BadData("candidates expected");
  std::unordered_set<std::uint32_t> seen = {row.item};
  while (!text.empty()) {
    const std::string_view token = NextField(&text);
    if (token.empty()) continue;
    const std::uint32_t item = items->Add(token);
    if (item == Vocabulary::kNone) return Status::BadData("more distinct items than Sherd can number");
    if (seen.insert(item).second) list_.push_back(item);
  }
  begin_.push_back(list_.size());
  return {};
}

void CandidateLists::Renumber(std::span<const std::uint32_t> new_number) {
  for (std::uint32_t& item : list_) item = new_number[item];
}

std::uint32_t CandidateLists::longest() const {
  std::uint64_t longest = 0;
  for (std::size_t i = 1; i < begin_.size(); ++i) longest = std::max(longest, begin_[i] - begin_[i - 1]);
  return static_cast<std::uint32_t>(longest);
}

void SampleOthers(const UserItems& known, std::uint32_t user, std::uint32_t count, std::uint64_t seed,
                  std::vector<std::uint32_t>* out) {
  out->clear();
  const std::uint32_t others = known.Others(user);
  count = std::min(count, others);
  std::unordered_set<std::uint32_t> taken;
  for (std::uint32_t last = others - count; last < others; ++last) {
    const auto drawn = static_cast<std::uint32_t>(Below(Mix(seed, last), std::uint64_t{last} + 1));
    const std::uint32_t n = taken.insert(drawn).second ? drawn : last;
    if (n == last) taken.insert(last);
    out->push_back(known.Other(user, n));
  }
}

}  // namespace sherd
