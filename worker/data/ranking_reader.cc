#include "worker/data/ranking_reader.h"

#include <algorithm>
#include <utility>

namespace sherd {
namespace {

std::span<const std::uint32_t> SubjectsOf(const RankedSet& set, const proto::Chunk& chunk) {
  return set.subjects().subspan(chunk.begin(), chunk.end() - chunk.begin());
}

std::uint32_t MinibatchesOf(std::uint64_t rows, std::uint32_t max_rows) {
  return static_cast<std::uint32_t>((rows + max_rows - 1) / max_rows);
}

using History = PairWriter::History;

void AddRow(std::uint32_t user, std::uint32_t item, History history, PairWriter* writer, Minibatch* minibatch) {
  writer->Add({user, item, 0}, item, 0, Mix(user, item), minibatch, history);
}

// Of the set's list at a place.
void AddList(const RankedSet& set, std::size_t place, RankingPart* ranking) {
  const auto seen = set.seen(place), relevant = set.relevant(place);
  ranking->seen.insert(ranking->seen.end(), seen.begin(), seen.end());
  ranking->relevant.insert(ranking->relevant.end(), relevant.begin(), relevant.end());
  ranking->seen_end.push_back(static_cast<std::uint32_t>(ranking->seen.size()));
  ranking->relevant_end.push_back(static_cast<std::uint32_t>(ranking->relevant.size()));
}

}  // namespace

PairRankingReader::PairRankingReader(InteractionChunk part, const FeatureLayout& layout, const RankedSet* set)
    : writer_(std::move(part), layout),
      set_(set),
      subjects_(SubjectsOf(*set, writer_.chunk().chunk)),
      items_(writer_.chunk().interactions->items.size()),
      at_(std::uint64_t{writer_.chunk().first_minibatch} * writer_.chunk().max_rows),
      minibatches_(writer_.chunk().first_minibatch) {}

Result<bool> PairRankingReader::Next(Minibatch* minibatch) {
  const std::uint64_t pairs = subjects_.size() * std::uint64_t{items_};
  if (at_ >= pairs) return false;
  writer_.Begin(minibatches_++, writer_.chunk().max_rows, minibatch);
  RankingPart& ranking = minibatch->ranking;
  ranking.Begin(RankingPart::Kind::kPairs, items_, at_ % items_);
  ranking.barred = set_->barred();
  ranking.popularity = set_->popularity();
  const std::uint64_t stop = std::min(pairs, at_ + writer_.chunk().max_rows);
  for (; at_ < stop; ++at_) {
    const std::size_t place = at_ / items_;
    const auto item = static_cast<std::uint32_t>(at_ % items_);
    AddRow(subjects_[place], item, History::kOfUser, &writer_, minibatch);
    if (item + 1 == items_) AddList(*set_, writer_.chunk().chunk.begin() + place, &ranking);
  }
  writer_.End(minibatch);
  minibatch->last_of_chunk = at_ >= pairs;
  return true;
}

FactorRankingReader::FactorRankingReader(InteractionChunk part, const FeatureLayout& layout, const RankedSet* set)
    : writer_(std::move(part), layout),
      set_(set),
      subjects_(SubjectsOf(*set, writer_.chunk().chunk)),
      items_(writer_.chunk().interactions->items.size()),
      item_minibatches_(MinibatchesOf(items_, writer_.chunk().max_rows)),
      all_minibatches_(item_minibatches_ + MinibatchesOf(subjects_.size(), writer_.chunk().max_rows)),
      minibatches_(writer_.chunk().first_minibatch) {}

Result<bool> FactorRankingReader::Next(Minibatch* minibatch) {
  if (subjects_.empty() || minibatches_ >= all_minibatches_) return false;
  const std::uint32_t index = minibatches_++, max_rows = writer_.chunk().max_rows;
  writer_.Begin(index, max_rows, minibatch);
  if (index < item_minibatches_) {
    AddItems(index * max_rows, minibatch);
  } else {
    AddSubjects(std::size_t{index - item_minibatches_} * max_rows, minibatch);
  }
  writer_.End(minibatch);
  minibatch->last_of_chunk = minibatches_ == all_minibatches_;
  return true;
}

void FactorRankingReader::AddItems(std::uint32_t first, Minibatch* minibatch) {
  minibatch->ranking.Begin(RankingPart::Kind::kItems, items_, first);
  const std::uint32_t end = std::min(items_, first + writer_.chunk().max_rows);
  const std::uint32_t user = set_->of_items() ? 0 : subjects_[0];
  for (std::uint32_t item = first; item < end; ++item) AddRow(user, item, History::kNone, &writer_, minibatch);
}

void FactorRankingReader::AddSubjects(std::size_t first, Minibatch* minibatch) {
  const bool alike = set_->of_items();
  minibatch->ranking.Begin(alike ? RankingPart::Kind::kAlike : RankingPart::Kind::kUsers, items_, 0);
  minibatch->ranking.barred = set_->barred();
  minibatch->ranking.popularity = set_->popularity();
  const std::size_t end = std::min(subjects_.size(), first + writer_.chunk().max_rows);
  for (std::size_t i = first; i < end; ++i) {
    if (alike) {
      AddRow(0, subjects_[i], History::kNone, &writer_, minibatch);
    } else {
      AddRow(subjects_[i], 0, History::kOfUser, &writer_, minibatch);
    }
    AddList(*set_, writer_.chunk().chunk.begin() + i, &minibatch->ranking);
  }
}

ListedReader::ListedReader(InteractionChunk part, const FeatureLayout& layout, const RankedSet* set)
    : writer_(std::move(part), layout),
      subjects_(SubjectsOf(*set, writer_.chunk().chunk)),
      items_(writer_.chunk().interactions->items.size()) {}

Result<bool> ListedReader::Next(Minibatch* minibatch) {
  const proto::Chunk& chunk = writer_.chunk().chunk;
  const int places = chunk.listed_size();
  if (at_ == places) return false;
  const std::uint32_t max_rows = writer_.chunk().max_rows;
  writer_.Begin(minibatches_++, max_rows, minibatch);
  minibatch->ranking.Begin(RankingPart::Kind::kListed, items_, 0);
  for (; at_ < places && minibatch->rows < max_rows; ++at_) {
    while (at_ == list_begin_ + static_cast<int>(chunk.list_length(list_))) {
      list_begin_ = at_;
      ++list_;
    }
    AddRow(subjects_[list_], chunk.listed(at_), History::kOfUser, &writer_, minibatch);
  }
  writer_.End(minibatch);
  minibatch->last_of_chunk = at_ == places;
  return true;
}

}  // namespace sherd
