#include "tests/ps/table_operations.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

namespace sherd {
namespace {

using proto::RowStorage;

std::uint32_t WordAt(const std::byte* row, std::uint32_t offset) {
  std::uint32_t word = 0;
  std::memcpy(&word, row + offset, sizeof(word));
  return word;
}

}  // namespace

ShardTables::ShardTables(const RowLayout& layout, std::uint32_t shards, std::uint64_t budget,
                         const std::string& spill_dir)
    : budget_(budget) {
  for (std::uint32_t i = 0; i < shards; ++i) {
    tables_.push_back(std::make_unique<EmbeddingTable>(layout, TableModel::kStream, FirstSlot(i, shards),
                                                       FirstSlot(i + 1, shards), spill_dir));
    tables_.back()->set_budget(budget);
  }
}

std::uint64_t ShardTables::evicted_rows() const {
  std::uint64_t evicted = 0;
  for (const auto& table : tables_) evicted += table->counters().evicted_rows;
  return evicted;
}

std::vector<std::size_t> ShardTables::Choose(std::span<const Key> keys, const EmbeddingTable* table) {
  std::vector<std::size_t> places;
  own_.clear();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (&of(keys[i]) != table) continue;
    places.push_back(i);
    own_.push_back(keys[i]);
  }
  return places;
}

Status ShardTables::Pull(std::span<const Key> keys, std::size_t floats, float* values) {
  for (const auto& table : tables_) {
    const std::vector<std::size_t> places = Choose(keys, table.get());
    std::vector<float> own(places.size() * floats);
    RETURN_IF_ERROR(table->Pull(own_, own.data()));
    for (std::size_t i = 0; i < places.size(); ++i) {
      std::copy_n(own.begin() + static_cast<std::ptrdiff_t>(i * floats), floats, values + places[i] * floats);
    }
  }
  return {};
}

Status ShardTables::Prepare(std::span<const Key> keys) {
  for (const auto& table : tables_) {
    Choose(keys, table.get());
    const std::uint64_t before = table->bytes();
    RETURN_IF_ERROR(table->Prepare(own_));
    const bool kept = table->layout().storage().at_budget() != RowStorage::EVICT || budget_ == 0 ||
                      table->bytes() <= std::max(budget_, before);
    if (!kept) return Status::BadData(std::to_string(table->bytes()) + " bytes of " + std::to_string(budget_));
  }
  return {};
}

void ShardTables::PushPrepared(std::span<const Key> keys, std::size_t floats, const float* sums, const PushStep& step) {
  for (const auto& table : tables_) {
    std::vector<float> own;
    for (const std::size_t place : Choose(keys, table.get())) {
      own.insert(own.end(), sums + place * floats, sums + (place + 1) * floats);
    }
    table->PushPrepared(own_, own.data(), step);
  }
}

TableOperations::TableOperations(std::uint32_t dim, const RowStorage& storage, std::size_t universe,
                                 std::uint32_t sparse, Draw draw)
    : layout_(TableModel::LayoutOf(dim, storage)),
      evicts_(storage.at_budget() == RowStorage::EVICT),
      sparse_(sparse),
      draw_(std::move(draw)),
      model_(layout_) {
  if (sparse == kAllSlots) universe_ = {0, ~Key{0}};
  for (Key i = 0; universe_.size() < universe; ++i) {
    const Key key = i % 2 == 0 ? i : Mix(i);
    if (SlotOf(key) % sparse == 0 && key != 0) universe_.push_back(key);
  }
  floats_.resize(layout_.row_floats());
}

// Some are used much more often than others.
void TableOperations::DrawKeys() {
  const std::size_t n = 1 + draw_() % std::min<std::size_t>(300, universe_.size() / 2);
  std::uint64_t random = draw_();
  std::set<Key> seen;
  keys_.clear();
  while (keys_.size() < n) {
    random = Mix(random + 1);
    const Key key = universe_[Below(Mix(random), random % 3 == 0 ? universe_.size() / 10 : universe_.size())];
    if (seen.insert(key).second) keys_.push_back(key);
  }
  values_.resize(n * layout_.weight_floats());
  for (std::size_t i = 0; i < values_.size(); ++i) values_[i] = UnitFloat(Mix(random, i)) - 0.5f;
}

Status TableOperations::Push(std::span<ShardTables* const> all) {
  DrawKeys();
  const PushStep step{.clock = model_.clock(), .seconds = model_.second(), .noise = draw_()};
  if (step.noise % 8 == 0) values_[step.noise / 8 % values_.size()] = std::numeric_limits<float>::quiet_NaN();
  for (ShardTables* tables : all) {
    const Status status = tables->Prepare(keys_);
    if (!status.ok()) return HeedNoRoom(status, tables, keys_.size());
    if (evicts_) RETURN_IF_ERROR(Follow(tables));
    const std::uint64_t before = tables->first().bytes();
    tables->PushPrepared(keys_, layout_.weight_floats(), values_.data(), step);
    if (evicts_ && tables->budget() > 0 && tables->first().bytes() > std::max(tables->budget(), before)) {
      return Status::BadData("a push that was prepared goes beyond the budget");
    }
  }
  std::set<Slot> touched;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    model_.Push(keys_[i], &values_[i * layout_.weight_floats()]);
    touched.insert(SlotOf(keys_[i]));
  }
  model_.KeepLimits(touched);
  return {};
}

Status TableOperations::Pull(std::span<ShardTables* const> all) {
  DrawKeys();
  std::vector<float> expected;
  for (const Key key : keys_) {
    const std::vector<float> weights = model_.Weights(key);
    expected.insert(expected.end(), weights.begin(), weights.end());
  }
  for (ShardTables* tables : all) {
    std::fill(values_.begin(), values_.end(), 0.0f);
    RETURN_IF_ERROR(tables->Pull(keys_, layout_.weight_floats(), values_.data()));
    if (values_ != expected) return Status::BadData("a pull gives other weights");
  }
  return {};
}

Status TableOperations::Restore(std::span<ShardTables* const> all) {
  const std::uint64_t random = draw_();
  const Key key = universe_[random % universe_.size()];
  TableModel::Row row{.floats = std::vector<float>(layout_.row_floats()),
                      .clock = static_cast<std::uint32_t>(Below(Mix(random, 1), model_.clock() + 1)),
                      .second = static_cast<std::uint32_t>(Below(Mix(random, 2), model_.second() + 1)),
                      .count = static_cast<std::uint32_t>(random % 5)};
  for (std::size_t i = 0; i < row.floats.size(); ++i) row.floats[i] = UnitFloat(Mix(random, i));
  std::vector<std::byte> bytes(layout_.row_bytes());
  layout_.EncodeRow(row.floats.data(), {}, bytes.data());
  const auto put = [&](std::uint32_t offset, std::uint32_t word) {
    if (offset != 0) std::memcpy(&bytes[offset], &word, sizeof(word));
  };
  put(layout_.usage().clock, row.clock);
  put(layout_.usage().second, row.second);
  put(layout_.usage().count, row.count);
  for (ShardTables* tables : all) {
    const Status status = tables->of(key).Restore(key, bytes.data());
    if (!status.ok()) return HeedNoRoom(status, tables, 1);
  }
  model_.Restore(key, row);
  if (evicts_) return Follow(all[0]);
  model_.KeepLimits({SlotOf(key)});
  return {};
}

Status TableOperations::RestoreCandidate(std::span<ShardTables* const> all) {
  if (layout_.storage().admit_after() == 1) return {};
  const Key key = universe_[draw_() % universe_.size()];
  const bool there = model_.rows.contains(key) || model_.candidates.contains(key);
  for (ShardTables* tables : all) {
    const Status status = tables->of(key).RestoreCandidate(key, 2);
    if (!status.ok() && status.code() == ErrorCode::kUnavailable) return HeedNoRoom(status, tables, 1);
    if (status.ok() == there) return Status::BadData("key " + std::to_string(key) + " as a candidate");
  }
  if (!there) model_.candidates[key] = 2;
  return evicts_ ? Follow(all[0]) : Status();
}

// Most often by one; now and then time has gone on while nobody looked.
Status TableOperations::Advance(std::span<ShardTables* const> all) {
  const std::uint64_t random = draw_();
  const auto clock = model_.clock() + static_cast<std::uint32_t>(random % 16 == 0 ? random / 16 % 16 : 1);
  const auto second = model_.second() + static_cast<std::uint32_t>(random / 256 % 8);
  for (ShardTables* tables : all) {
    for (const auto& table : tables->all()) RETURN_IF_ERROR(table->Advance(clock, second));
  }
  model_.Advance(clock, second);
  return {};
}

Status TableOperations::CompareSlot(EmbeddingTable* table, Slot slot) {
  const auto differs = [&](Key key, const char* what) {
    return Status::BadData("key " + std::to_string(key) + " at clock " + std::to_string(model_.clock()) + ": " + what);
  };
  RETURN_IF_ERROR(table->ReadSlot(slot, &contents_));
  for (const auto& [key, row] : contents_.rows) {
    const auto found = model_.rows.find(key);
    if (found == model_.rows.end()) return differs(key, "should have no row");
    layout_.DecodeRow(row, floats_.data());
    if (floats_ != found->second.floats) return differs(key, "other floats");
    const RowLayout::Usage& usage = layout_.usage();
    if (usage.clock != 0 && WordAt(row, usage.clock) != found->second.clock) return differs(key, "another clock");
    if (usage.second != 0 && WordAt(row, usage.second) != found->second.second) return differs(key, "another second");
    if (usage.count != 0 && WordAt(row, usage.count) != found->second.count) return differs(key, "another count");
  }
  for (const auto& [key, sightings] : contents_.candidates) {
    const auto found = model_.candidates.find(key);
    if (found == model_.candidates.end() || found->second != sightings) return differs(key, "other sightings");
  }
  rows_seen_ += contents_.rows.size();
  candidates_seen_ += contents_.candidates.size();
  return {};
}

Status TableOperations::Compare(ShardTables* tables) {
  rows_seen_ = candidates_seen_ = 0;
  const auto shards = static_cast<std::uint32_t>(tables->all().size());
  for (Slot slot = 0; slot < kSlots; slot += sparse_) {
    RETURN_IF_ERROR(CompareSlot(tables->all()[ShardOfSlot(slot, shards)].get(), slot));
  }
  if (rows_seen_ != model_.rows.size() || candidates_seen_ != model_.candidates.size()) {
    return Status::BadData(std::to_string(rows_seen_) + " rows and " + std::to_string(candidates_seen_) +
                           " candidates, not " + std::to_string(model_.rows.size()) + " and " +
                           std::to_string(model_.candidates.size()));
  }
  std::uint64_t rows = 0, candidates = 0;
  for (const auto& table : tables->all()) {
    rows += table->rows();
    candidates += table->candidates();
    if (table->memory().total() != table->bytes()) return Status::BadData("the parts of the memory are not the whole");
  }
  return rows == rows_seen_ && candidates == candidates_seen_ ? Status() : Status::BadData("a table counts wrongly");
}

// Which rows go at a budget depends on memory, which the model knows nothing of: it only holds that a table's rows are
// still what they were. Their counts halve as slots are gone through.
Status TableOperations::Follow(ShardTables* tables) {
  std::set<Key> rows, candidates;
  for (Slot slot = 0; slot < kSlots; slot += sparse_) {
    RETURN_IF_ERROR(tables->first().ReadSlot(slot, &contents_));
    for (const auto& [key, row] : contents_.rows) {
      rows.insert(key);
      const auto found = model_.rows.find(key);
      if (layout_.usage().count == 0 || found == model_.rows.end()) continue;
      found->second.count = std::min(found->second.count, WordAt(row, layout_.usage().count));
    }
    for (const auto& [key, sightings] : contents_.candidates) candidates.insert(key);
  }
  std::erase_if(model_.rows, [&](const auto& entry) { return !rows.contains(entry.first); });
  std::erase_if(model_.candidates, [&](const auto& entry) { return !candidates.contains(entry.first); });
  return {};
}

// Only where the rows alone are more than the budget, and then nothing has changed.
Status TableOperations::HeedNoRoom(const Status& status, ShardTables* tables, std::size_t keys) {
  if (status.code() != ErrorCode::kUnavailable || !evicts_) return status;
  constexpr std::size_t kFirstIndex = 5000, kEntry = 19;  // bytes, at most
  const std::size_t fits = kFirstIndex + keys * (layout_.row_bytes() + sizeof(std::uint32_t) + kEntry);
  if (fits <= tables->budget()) return status.Annotate(std::to_string(keys) + " keys should fit");
  return Compare(tables);
}

Status TableOperations::Step(std::span<ShardTables* const> all) {
  keys_.clear();
  const std::uint64_t choice = draw_() % 16;
  if (choice < 8) return Push(all);
  if (choice < 12) return Pull(all);
  if (choice == 12) return Restore(all);
  if (choice == 13) return RestoreCandidate(all);
  return Advance(all);
}

Status TableOperations::Run(std::span<ShardTables* const> all, std::size_t keys) {
  std::size_t done = 0;
  for (int round = 1; done < keys; ++round) {
    RETURN_IF_ERROR(Step(all));
    done += keys_.size();
    if (round % 100 != 0) continue;
    for (ShardTables* tables : all) RETURN_IF_ERROR(Compare(tables));
  }
  for (ShardTables* tables : all) RETURN_IF_ERROR(Compare(tables));
  return {};
}

}  // namespace sherd
