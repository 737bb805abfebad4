#include "worker/data/token_vocabulary.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sherd {

void TokenVocabulary::Merge(const proto::TokenCounts& counts) {
  for (int i = 0; i < std::min(counts.text_size(), counts.count_size()); ++i) {
    Entry& entry = entries_[HashBytes(counts.text(i))];
    if (entry.count == 0) entry.text = counts.text(i);
    entry.count += counts.count(i);
  }
}

proto::TokenCounts TokenVocabulary::Save() const {
  proto::TokenCounts saved;
  for (const auto& [key, entry] : entries_) {
    saved.add_text(entry.text);
    saved.add_count(entry.count);
  }
  return saved;
}

void TokenVocabulary::DropRare(std::uint64_t min_count) {
  std::erase_if(entries_, [min_count](const auto& entry) { return entry.second.count < min_count; });
}

std::string TokenVocabulary::Text() const {
  std::vector<const Entry*> sorted;
  for (const auto& [key, entry] : entries_) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) {
    return a->count != b->count ? a->count > b->count : a->text < b->text;
  });
  std::string text;
  for (const Entry* entry : sorted) text += std::to_string(entry->count) + "\t" + entry->text + "\n";
  return text;
}

}  // namespace sherd
