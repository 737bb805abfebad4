#include "ps/slot_merger.h"

#include <algorithm>

namespace sherd {

Status SlotMerger::OnRows(std::uint32_t table, std::span<const Key> keys, std::span<const std::byte> rows) {
  const std::size_t bytes = layouts_[table].row_bytes();
  if (rows.size() != keys.size() * bytes) return Status::BadData("has rows of another length");
  Table& target = tables_[table];
  for (std::size_t i = 0; i < keys.size(); ++i) {
    target.entries.push_back({.hash = Mix(keys[i]),
                              .key = keys[i],
                              .kind = BlockKind::kRows,
                              .sightings = 0,
                              .row = target.rows.size() + i * bytes});
  }
  target.rows.insert(target.rows.end(), rows.begin(), rows.end());
  return {};
}

Status SlotMerger::OnCandidates(std::uint32_t table, std::span<const Key> keys,
                                std::span<const std::uint32_t> sightings) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    tables_[table].entries.push_back(
        {.hash = Mix(keys[i]), .key = keys[i], .kind = BlockKind::kCandidates, .sightings = sightings[i], .row = 0});
  }
  return {};
}

Status SlotMerger::OnDeleted(std::uint32_t table, std::span<const Key> keys) {
  for (const Key key : keys) {
    tables_[table].entries.push_back(
        {.hash = Mix(key), .key = key, .kind = BlockKind::kDeleted, .sightings = 0, .row = 0});
  }
  return {};
}

Status SlotMerger::OnDense(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                           std::span<const float> values) {
  dense_[{tensor, first}] = {
      .tensor = tensor, .first = first, .length = length, .values = {values.begin(), values.end()}};
  return {};
}

void SlotMerger::Finish(CheckpointSlot* contents) {
  contents->tables.resize(tables_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    std::vector<Entry>& entries = tables_[t].entries;
    std::ranges::stable_sort(entries, {}, &Entry::hash);
    CheckpointSlot::Table& table = contents->tables[t];
    table = {};
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Entry& entry = entries[i];
      if (i + 1 < entries.size() && entries[i + 1].hash == entry.hash) continue;  // not the last word
      if (entry.kind == BlockKind::kRows) {
        table.keys.push_back(entry.key);
        const auto row = std::span(tables_[t].rows).subspan(entry.row, layouts_[t].row_bytes());
        table.rows.insert(table.rows.end(), row.begin(), row.end());
      } else if (entry.kind == BlockKind::kCandidates) {
        table.candidates.push_back(entry.key);
        table.sightings.push_back(entry.sightings);
      }
    }
  }
  contents->dense.clear();
  for (auto& [place, dense] : dense_) contents->dense.push_back(std::move(dense));
}

}  // namespace sherd
