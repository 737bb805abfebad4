#include "launch/recommendation_file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "launch/item_titles.h"

namespace sherd {
namespace {

std::vector<std::uint32_t> ByPopularity(const Recommended& recommended) {
  const std::vector<std::uint32_t>& rows = recommended.popularity();
  std::vector<std::uint32_t> items;
  for (std::uint32_t item = 0; item < rows.size(); ++item) {
    const bool barred = std::binary_search(recommended.barred()->begin(), recommended.barred()->end(), item);
    if (rows[item] > 0 && !barred) items.push_back(item);
  }
  std::stable_sort(items.begin(), items.end(), [&](auto a, auto b) { return rows[a] > rows[b]; });
  return items;
}

// A field of a line, whatever is in it.
void AppendField(std::string text, std::string* line) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  *line += text;
}

}  // namespace

RecommendationFile::RecommendationFile(std::string path, std::unique_ptr<FileWriter> writer,
                                       const proto::Recommend& wanted, const InteractionDataset* dataset)
    : path_(std::move(path)),
      writer_(std::move(writer)),
      at_(wanted.at()),
      dataset_(dataset),
      recommended_(*dataset->recommended()),
      popular_(ByPopularity(recommended_)),
      explain_(wanted.explain()),
      shares_(dataset, &titles_) {}

Result<std::unique_ptr<RecommendationFile>> RecommendationFile::Create(const std::string& path,
                                                                       const proto::Recommend& wanted,
                                                                       const InteractionDataset* dataset) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return Status::Invalid("--output: " + path + " is a folder");
  auto writer = FileWriter::Create(path + ".new");
  if (!writer.ok()) return writer.status().Annotate("--output");
  std::unique_ptr<RecommendationFile> file(new RecommendationFile(path, std::move(*writer), wanted, dataset));
  if (wanted.has_titles()) {
    auto titles = ReadItemTitles(wanted.titles());
    if (!titles.ok()) return titles.status().Annotate("--titles");
    file->titles_ = std::move(*titles);
    file->with_titles_ = true;
  }
  file->lines_ = std::string(dataset->recommended()->of_items() ? "of" : "user") + "\trank\titem\tscore\tby" +
                 (file->with_titles_ ? "\ttitle" : "") + (file->explain_ ? "\tbaseline\tshares\n" : "\n");
  return file;
}

RecommendationFile::~RecommendationFile() {
  if (writer_ != nullptr) std::remove((path_ + ".new").c_str());
}

void RecommendationFile::AddLine(const std::string& subject, std::uint32_t rank, std::uint32_t item, float score,
                                 const char* by, const std::string& shares) {
  char text[32];
  const std::string& name = dataset_->interactions().items.text(item);
  AppendField(subject, &lines_);
  lines_.append("\t").append(std::to_string(rank)).append("\t");
  AppendField(name, &lines_);
  lines_.append("\t").append(text, std::to_chars(text, text + sizeof text, score).ptr).append("\t").append(by);
  if (with_titles_) {
    const auto title = titles_.find(name);
    lines_ += '\t';
    if (title != titles_.end()) AppendField(title->second, &lines_);
  }
  if (explain_) lines_.append("\t").append(shares);
  lines_ += '\n';
}

void RecommendationFile::CountList(std::uint32_t length) {
  if (length < at_) ++short_;
}

void RecommendationFile::AddPopular(const Recommended::Subject& subject) {
  std::span<const std::uint32_t> seen;
  if (subject.user != Vocabulary::kNone) seen = recommended_.seen(subject.user);
  std::uint32_t rank = 0;
  for (const std::uint32_t item : popular_) {
    if (rank == at_) break;
    if (std::binary_search(seen.begin(), seen.end(), item)) continue;
    AddLine(subject.text, ++rank, item, static_cast<float>(recommended_.popularity()[item]), "popularity", "\t");
  }
  CountList(rank);
  ++by_popularity_;
}

void RecommendationFile::AddUnknown() {
  const auto& subjects = recommended_.subjects();
  for (; next_ < subjects.size() && subjects[next_].number == Vocabulary::kNone; ++next_) AddPopular(subjects[next_]);
}

Status RecommendationFile::Write(const RecommendedLists& lists) {
  std::size_t at = 0;
  std::span<const float> shares = lists.shares;
  for (const std::uint32_t length : lists.lengths) {
    AddUnknown();
    if (next_ == recommended_.subjects().size()) return Status::BadData("more lists than users");
    const Recommended::Subject& subject = recommended_.subjects()[next_++];
    for (std::uint32_t rank = 0; rank < length; ++rank, ++at) {
      if (lists.items[at] >= dataset_->interactions().items.size()) {
        return Status::BadData("item " + std::to_string(lists.items[at]) + " of a list is not in the catalogue");
      }
      std::string explained;
      if (explain_) {
        ASSIGN_OR_RETURN(explained, shares_.Of(subject.number, lists.scores[at], shares.first(lists.share_counts[at])));
        shares = shares.subspan(lists.share_counts[at]);
      }
      AddLine(subject.text, rank + 1, static_cast<std::uint32_t>(lists.items[at]), lists.scores[at], "model",
              explained);
    }
    CountList(length);
  }
  return Flush();
}

Status RecommendationFile::Flush() {
  RETURN_IF_ERROR(writer_->Append(std::as_bytes(std::span(lines_))));
  lines_.clear();
  return {};
}

Status RecommendationFile::Finish() {
  AddUnknown();
  RETURN_IF_ERROR(Flush());
  RETURN_IF_ERROR(writer_->Finish());
  if (std::rename((path_ + ".new").c_str(), path_.c_str()) != 0) return Status::Io("rename to " + path_, errno);
  writer_.reset();
  const std::string kind = recommended_.of_items() ? "items" : "users";
  std::cout << recommended_.subjects().size() << " lists in " << path_;
  if (by_popularity_ > 0) {
    std::cout << "; " << by_popularity_ << " of them by popularity, of " << kind << " that training has not seen";
  }
  if (short_ > 0) std::cout << "; " << short_ << " of them shorter than " << at_ << ", as no other items are left";
  if (shares_.inexact() > 0) {
    std::cout << "; the shares of " << shares_.inexact() << " items do not add up to their score within 1 %";
  }
  std::cout << std::endl;
  return {};
}

}  // namespace sherd
