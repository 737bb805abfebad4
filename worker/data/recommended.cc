#include "worker/data/recommended.h"

#include <algorithm>

#include "worker/data/text_file.h"

namespace sherd {
namespace {

using Numbers = std::unordered_map<std::uint64_t, std::uint32_t>;

// By the hash of the text.
Numbers NumbersOf(const Vocabulary& vocabulary) {
  Numbers numbers;
  for (std::uint32_t i = 0; i < vocabulary.size(); ++i) numbers.emplace(vocabulary.hash(i), i);
  return numbers;
}

std::uint32_t Find(const Numbers& numbers, const std::string& text) {
  const auto found = numbers.find(HashBytes(text));
  return found == numbers.end() ? Vocabulary::kNone : found->second;
}

// The lines that are not empty. Paths do not start from data_dir.
Status ReadLines(const std::string& path, std::vector<std::string>* out) {
  ASSIGN_OR_RETURN(InputFile input, FindInputFile(proto::Data(), path));
  ASSIGN_OR_RETURN(const std::unique_ptr<TextFile> file, TextFile::Open(std::move(input), {}));
  ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, file->Lines());
  const std::size_t before = out->size();
  for (Line line;;) {
    ASSIGN_OR_RETURN(const bool more, lines->Next(&line));
    if (!more) break;
    if (line.too_long) {
      return Status::BadData(path + ":" + std::to_string(lines->line_number()) + ": line of at most 1 MiB expected");
    }
    if (file->IsRow(line)) out->emplace_back(line.text);
  }
  return out->size() > before ? Status() : Status::BadData(path + ": the file has no rows");
}

UserItems AllItems(const Interactions& interactions) {
  std::vector<std::span<const Interaction>> parts;
  for (const auto& set : interactions.sets) {
    for (const Interactions::File& file : set) parts.emplace_back(file.rows);
  }
  return {interactions.users.size(), interactions.items.size(), parts};
}

}  // namespace

Recommended::Recommended(const Interactions& interactions)
    : seen_(AllItems(interactions)), popularity_(interactions.items.size()), user_rows_(interactions.users.size()) {
  for (const Interactions::File& file : interactions.sets[proto::Chunk::TRAIN]) {
    for (const Interaction& row : file.rows) {
      ++popularity_[row.item];
      ++user_rows_[row.user];
    }
  }
}

Result<Recommended> Recommended::Make(const proto::Job& job, const Interactions& interactions) {
  const proto::Recommend& wanted = job.recommend();
  Recommended out(interactions);
  out.of_items_ = wanted.subject() == proto::Recommend::ITEMS;
  RETURN_IF_ERROR(out.FindSubjects(wanted, interactions).Annotate("--input"));
  RETURN_IF_ERROR(out.FindBarred(wanted, interactions));
  return out;
}

void Recommended::AddSubject(const std::string& text, std::uint32_t number, const std::vector<std::uint32_t>& rows) {
  Subject& subject = subjects_.emplace_back();
  subject.text = text;
  if (!of_items_) subject.user = number;
  if (number == Vocabulary::kNone || rows[number] == 0) return;
  subject.number = number;
  known_.push_back(number);
}

Status Recommended::FindSubjects(const proto::Recommend& wanted, const Interactions& interactions) {
  const Vocabulary& vocabulary = of_items_ ? interactions.items : interactions.users;
  const std::vector<std::uint32_t>& rows = of_items_ ? popularity_ : user_rows_;
  if (wanted.input().empty()) {
    for (std::uint32_t i = 0; i < vocabulary.size(); ++i) AddSubject(vocabulary.text(i), i, rows);
    return {};
  }
  std::vector<std::string> texts;
  for (const std::string& path : wanted.input()) RETURN_IF_ERROR(ReadLines(path, &texts));
  const Numbers numbers = NumbersOf(vocabulary);
  for (const std::string& text : texts) AddSubject(text, Find(numbers, text), rows);
  return {};
}

Status Recommended::FindBarred(const proto::Recommend& wanted, const Interactions& interactions) {
  const Numbers numbers = NumbersOf(interactions.items);
  std::vector<bool> barred(interactions.items.size(), wanted.has_allow());
  const auto mark = [&](const std::string& path, bool value) -> Status {
    std::vector<std::string> texts;
    RETURN_IF_ERROR(ReadLines(path, &texts));
    for (const std::string& text : texts) {
      if (const std::uint32_t item = Find(numbers, text); item != Vocabulary::kNone) barred[item] = value;
    }
    return {};
  };
  if (wanted.has_allow()) RETURN_IF_ERROR(mark(wanted.allow(), false).Annotate("--allow"));
  if (wanted.has_deny()) RETURN_IF_ERROR(mark(wanted.deny(), true).Annotate("--deny"));
  std::vector<std::uint32_t> items;
  for (std::uint32_t item = 0; item < barred.size(); ++item) {
    if (barred[item]) items.push_back(item);
  }
  barred_ = std::make_shared<const std::vector<std::uint32_t>>(std::move(items));
  return {};
}

}  // namespace sherd
