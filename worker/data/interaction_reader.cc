#include "worker/data/interaction_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/data/chunk_cutter.h"
#include "worker/data/shuffle.h"

namespace sherd {

PairWriter::PairWriter(InteractionChunk chunk, const FeatureLayout& layout)
    : chunk_(std::move(chunk)),
      user_table_(layout.TableId("user")),
      item_table_(layout.TableId("item")),
      encoder_(layout, &chunk_.interactions->users, &chunk_.interactions->items),
      finder_(chunk_.neighbourhood) {
  if (chunk_.histories != nullptr) {
    sequences_.emplace(layout, &chunk_.interactions->users, &chunk_.interactions->items);
  }
}

void PairWriter::Begin(std::uint32_t index, std::uint32_t max_rows, Minibatch* minibatch) {
  minibatch->epoch = chunk_.epoch;
  minibatch->chunk = chunk_.chunk.id();
  minibatch->index = index;
  minibatch->file = chunk_.chunk.file();
  minibatch->ClearRows();
  minibatch->first_source = std::numeric_limits<std::uint64_t>::max();
  if (sequences_) return sequences_->Begin(minibatch);
  encoder_.Begin(max_rows, minibatch);
  users_.clear();
  items_.clear();
}

void PairWriter::Add(const Interaction& row, std::uint32_t item, float label, std::uint64_t row_id,
                     Minibatch* minibatch, History history) {
  if (sequences_) {
    const bool known = history == History::kOfUser;
    const Histories::Event judged = {item, row.line};
    sequences_->Add(row.user, known ? chunk_.histories->Before(chunk_.chunk.set(), row.user) : Histories::Events(),
                    {&judged, 1}, minibatch);
  } else {
    encoder_.Add(row.user, item, minibatch);
  }
  if (chunk_.neighbourhood.graph != nullptr) {
    users_.push_back(row.user);
    items_.push_back(item);
  }
  minibatch->labels.push_back(label);
  minibatch->row_ids.push_back(row_id);
  if (chunk_.group_by == "user") minibatch->groups.push_back(chunk_.interactions->users.hash(row.user));
  if (chunk_.group_by == "item") minibatch->groups.push_back(chunk_.interactions->items.hash(item));
  minibatch->first_source = std::min<std::uint64_t>(minibatch->first_source, row.line);
  minibatch->last_source = std::max<std::uint64_t>(minibatch->last_source, row.line);
  ++minibatch->rows;
}

void PairWriter::End(Minibatch* minibatch) {
  if (!sequences_) encoder_.End(minibatch);
  if (chunk_.neighbourhood.graph != nullptr) FindNeighbourhood(minibatch);
  if (minibatch->rows == 0) minibatch->first_source = 0;
}

// The rows' keys give way to those of the nodes, among which they are.
void PairWriter::FindNeighbourhood(Minibatch* minibatch) {
  finder_.Find(users_, items_, &minibatch->neighbourhood);
  const auto take_keys = [&](UserItemGraph::Side side, const Vocabulary& vocabulary, int table) {
    std::vector<Key>& keys = minibatch->tables[table].keys;
    keys.clear();
    for (const std::uint32_t token : finder_.tokens(side)) keys.push_back(*vocabulary.keys(token));
  };
  take_keys(UserItemGraph::kUser, chunk_.interactions->users, user_table_);
  take_keys(UserItemGraph::kItem, chunk_.interactions->items, item_table_);
}

SampleReader::SampleReader(PairWriter writer, EpochOrder::Rows order, const UserItems* known, std::uint32_t negatives,
                           std::uint64_t seed, Order samples, const std::vector<float>* log_shares)
    : writer_(std::move(writer)),
      order_(std::move(order)),
      known_(known),
      log_shares_(log_shares),
      per_row_(1 + negatives),
      step_(samples == Order::kGroups ? per_row_ : 1),
      seed_(seed) {
  const InteractionChunk& chunk = writer_.chunk();
  samples_.resize((chunk.chunk.end() - chunk.chunk.begin()) * (per_row_ / step_));
  for (std::size_t i = 0; i < samples_.size(); ++i) samples_[i] = static_cast<std::uint32_t>(i * step_);
  Shuffle(Mix(seed_, chunk.chunk.file(), chunk.chunk.begin()), std::span(samples_));
  const std::uint64_t steps = EvenRows(samples_.size(), std::max(1u, chunk.max_rows / step_));
  minibatch_rows_ = static_cast<std::uint32_t>(steps) * step_;
  SkipImpossible();
  for (; minibatches_ < chunk.first_minibatch; ++minibatches_) Skip(steps);
}

const Interaction& SampleReader::RowOf(std::uint32_t sample) const {
  return writer_.chunk().file->rows[(*order_)[writer_.chunk().chunk.begin() + sample / per_row_]];
}

// A user who has every item has no negatives.
bool SampleReader::Impossible(std::uint32_t sample) const {
  const bool with_negative = step_ > 1 || sample % per_row_ != 0;
  return with_negative && known_->Others(RowOf(sample).user) == 0;
}

void SampleReader::SkipImpossible() {
  while (at_ < samples_.size() && Impossible(samples_[at_])) ++at_;
}

void SampleReader::Skip(std::uint64_t samples) {
  for (; samples > 0 && at_ < samples_.size(); --samples) {
    ++at_;
    SkipImpossible();
  }
}

void SampleReader::Add(std::uint32_t sample, Minibatch* minibatch) {
  const Interaction& row = RowOf(sample);
  const std::uint32_t lane = sample % per_row_;
  const std::uint64_t row_id = Mix(writer_.chunk().chunk.file(), row.line, lane);
  std::uint32_t item = row.item;
  if (lane > 0) {
    item = known_->Other(row.user, static_cast<std::uint32_t>(Below(Mix(seed_, row_id), known_->Others(row.user))));
  }
  writer_.Add(row, item, lane == 0 ? 1.0f : 0.0f, row_id, minibatch);
  if (log_shares_ == nullptr) return;
  minibatch->candidates.push_back(writer_.chunk().interactions->items.hash(item));
  minibatch->log_shares.push_back((*log_shares_)[item]);
}

Result<bool> SampleReader::Next(Minibatch* minibatch) {
  if (at_ >= samples_.size()) return false;
  writer_.Begin(minibatches_++, minibatch_rows_, minibatch);
  minibatch->group_rows = step_;
  while (at_ < samples_.size() && minibatch->rows < minibatch_rows_) {
    for (std::uint32_t i = 0; i < step_; ++i) Add(samples_[at_] + i, minibatch);
    ++at_;
    SkipImpossible();
  }
  writer_.End(minibatch);
  minibatch->last_of_chunk = at_ >= samples_.size();
  return true;
}

ListReader::ListReader(PairWriter writer, std::uint64_t first_row, const CandidateLists* lists, const UserItems* known,
                       std::uint32_t candidates)
    : writer_(std::move(writer)),
      first_row_(first_row),
      lists_(lists),
      known_(known),
      candidates_(candidates),
      at_(writer_.chunk().chunk.begin()) {
  FindCandidates();
  Minibatch skipped;
  while (minibatches_ < writer_.chunk().first_minibatch) {
    const Result<bool> more = Next(&skipped);
    if (!more.ok() || !*more) break;
  }
}

// Of the row at hand. Seed 0: every run ranks against the same items.
void ListReader::FindCandidates() {
  if (at_ >= writer_.chunk().chunk.end()) return;
  const Interaction& row = writer_.chunk().file->rows[at_];
  if (lists_ != nullptr) {
    const auto list = lists_->of(first_row_ + at_);
    list_.assign(list.begin(), list.end());
  } else {
    SampleOthers(*known_, row.user, candidates_, Mix(0, writer_.chunk().chunk.file(), row.line), &list_);
  }
}

bool ListReader::Fits(const Minibatch& minibatch) const {
  return minibatch.rows == 0 || minibatch.rows + 1 + list_.size() <= writer_.chunk().max_rows;
}

void ListReader::AddList(Minibatch* minibatch) {
  const Interaction& row = writer_.chunk().file->rows[at_];
  const Vocabulary& items = writer_.chunk().interactions->items;
  std::uint64_t lane = 0;
  const auto add = [&](std::uint32_t item, float label) {
    writer_.Add(row, item, label, Mix(writer_.chunk().chunk.file(), row.line, lane++), minibatch);
    minibatch->candidates.push_back(items.hash(item));
  };
  add(row.item, 1);
  for (const std::uint32_t item : list_) add(item, 0);
  minibatch->list_offsets.push_back(minibatch->rows);
}

Result<bool> ListReader::Next(Minibatch* minibatch) {
  const std::uint64_t end = writer_.chunk().chunk.end();
  if (at_ >= end) return false;
  writer_.Begin(minibatches_++, writer_.chunk().max_rows, minibatch);
  minibatch->list_offsets.push_back(0);
  while (at_ < end && Fits(*minibatch)) {
    AddList(minibatch);
    ++at_;
    FindCandidates();
  }
  writer_.End(minibatch);
  minibatch->last_of_chunk = at_ >= end;
  return true;
}

PairReader::PairReader(PairWriter writer) : writer_(std::move(writer)), at_(writer_.chunk().chunk.begin()) {
  Minibatch skipped;
  while (minibatches_ < writer_.chunk().first_minibatch) {
    const Result<bool> more = Next(&skipped);
    if (!more.ok() || !*more) break;
  }
}

// Minibatches are of so many input rows, bad ones included, so one may have few or no rows.
Result<bool> PairReader::Next(Minibatch* minibatch) {
  const InteractionChunk& chunk = writer_.chunk();
  if (at_ >= chunk.chunk.end()) return false;
  writer_.Begin(minibatches_++, chunk.max_rows, minibatch);
  const std::uint64_t stop = std::min(chunk.chunk.end(), at_ + chunk.max_rows);
  for (; at_ < stop; ++at_) {
    const Interaction& row = chunk.file->rows[at_];
    if (row.user == Vocabulary::kNone) continue;
    minibatch->source_rows.push_back(static_cast<std::uint32_t>(at_ - chunk.chunk.begin()));
    writer_.Add(row, row.item, 0, Mix(chunk.chunk.file(), row.line, 0), minibatch);
  }
  writer_.End(minibatch);
  minibatch->source_rows_read = static_cast<std::uint32_t>(at_ - chunk.chunk.begin());
  minibatch->last_of_chunk = at_ >= chunk.chunk.end();
  return true;
}

}  // namespace sherd
