// Rows, candidates and deletions as checkpoints bring them: many at once, in the order of the index.
#include <glog/logging.h>

#include <algorithm>
#include <cstring>

#include "ps/embedding_table.h"

namespace sherd {
namespace {

// With a budget room is made for few rows at a time: a small one may hold no more.
constexpr std::size_t kFew = 64;

// Rows are short: a call of memcpy would cost more than the copying.
void CopyWords(const std::byte* from, std::size_t bytes, std::byte* to) {
  for (; bytes >= 16; bytes -= 16, from += 16, to += 16) std::memcpy(to, from, 16);
  for (; bytes >= 4; bytes -= 4, from += 4, to += 4) std::memcpy(to, from, 4);
}

Status CheckSightings(Key key, std::uint32_t sightings) {
  if (sightings > 0 && sightings <= RowPlace::kMostSightings) return {};
  return Status::BadData("key " + std::to_string(key) + " was seen " + std::to_string(sightings) + " times, not 1.." +
                         std::to_string(RowPlace::kMostSightings));
}

}  // namespace

void EmbeddingTable::Reserve(std::uint64_t keys, std::uint64_t rows) {
  if (budget_ > 0 && layout_.storage().at_budget() != proto::RowStorage::STOP) return;
  index_.Reserve(keys);
  rows_.Expect(rows);
}

Status EmbeddingTable::RestoreRows(std::span<const Key> keys, const std::byte* rows, bool fresh) {
  CHECK(!changes_.active());
  const std::size_t most = budget_ == 0 ? kPart : kFew;
  const std::size_t row_bytes = layout_.row_bytes(), weight_bytes = layout_.state_offset();
  for (std::size_t first = 0; first < keys.size(); first += most) {
    const std::span part = keys.subspan(first, std::min(most, keys.size() - first));
    RETURN_IF_ERROR(MakeRoom({.rows = part.size(), .keys = part.size(), .most = part.size()}));
    if (fresh) {
      std::fill_n(places_.begin(), part.size(), kNone);
    } else {
      index_.FindAll(part, false, places_.data());
    }
    for (std::size_t i = 0; i < part.size(); ++i, rows += row_bytes) {
      const RowPlace place(places_[i]);
      std::uint32_t number = place.number();
      if (!place.resident()) {
        if (place.value() != kNone) Erase(part[i], place);
        number = rows_.Take();
        CHECK_LT(number, RowPlace::kMostRows) << "a table's rows in one shard are numbered by 31 bits: use more shards";
        index_.Insert(part[i], Mix(part[i]), RowPlace::Resident(number).value());
        if (slot_limit_ > 0) CountRow(part[i]);
      }
      CopyWords(rows, weight_bytes, rows_.Weights(number));
      CopyWords(rows + weight_bytes, row_bytes - weight_bytes, rows_.Rest(number));
    }
  }
  return {};
}

Status EmbeddingTable::RestoreCandidates(std::span<const Key> keys, std::span<const std::uint32_t> sightings) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    RETURN_IF_ERROR(CheckSightings(keys[i], sightings[i]));
    Delete({&keys[i], 1});
    RETURN_IF_ERROR(MakeRoom({.rows = 1, .keys = 1, .most = 1}));
    index_.Insert(keys[i], Mix(keys[i]), RowPlace::Candidate(sightings[i]).value());
    ++candidates_;
  }
  return {};
}

void EmbeddingTable::Delete(std::span<const Key> keys) {
  for (const Key key : keys) {
    const std::uint32_t* const value = index_.Find(key, Mix(key));
    if (value != nullptr) Erase(key, RowPlace(*value));
  }
}

}  // namespace sherd
