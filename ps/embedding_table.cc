#include "ps/embedding_table.h"

#include <algorithm>
#include <cstring>

#include "ps/optimizer/gradient.h"

namespace sherd {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kAhead = 16;  // keys between a prefetch and its use
constexpr std::size_t kReadsAtOnce = 32;

// Rows are short: a call of memcpy would cost more than the copying.
void CopyFloats(const float* __restrict from, std::size_t n, float* __restrict to) {
  constexpr std::size_t kChunk = kLine / sizeof(float);
  for (; n >= kChunk; n -= kChunk, from += kChunk, to += kChunk) {
    const __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + 4);
    const __m128 c = _mm_loadu_ps(from + 8), d = _mm_loadu_ps(from + 12);
    _mm_storeu_ps(to, a), _mm_storeu_ps(to + 4, b);
    _mm_storeu_ps(to + 8, c), _mm_storeu_ps(to + 12, d);
  }
  if (n > 0) std::memcpy(to, from, n * sizeof(float));
}

}  // namespace

EmbeddingTable::EmbeddingTable(RowLayout layout, std::uint64_t stream, Slot first, Slot end, std::string spill_dir)
    : layout_(std::move(layout)),
      stream_(stream),
      spill_dir_(std::move(spill_dir)),
      spills_(layout_.storage().at_budget() == proto::RowStorage::SPILL),
      index_(first, end),
      rows_(layout_.row_bytes()),
      hand_(first) {
  constexpr std::uint64_t kIndexBytes = 17;  // a row, about
  std::uint64_t most = layout_.storage().max_rows();
  if (const std::uint64_t bytes = layout_.storage().max_bytes(); bytes > 0) {
    const std::uint64_t fit = std::max<std::uint64_t>(1, bytes / (layout_.row_bytes() + kIndexBytes));
    most = most == 0 ? fit : std::min(most, fit);
  }
  if (most == 0) return;
  slot_limit_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(most / kSlots, 1, RowPlace::kMostRows));
  slot_rows_.resize(end - first);
}

// ---- pull ----------------------------------------------------------------------------------------------------------

// A part of the batch at a time: first where each key's row is, then the rows, each with its memory on the way some
// keys ahead. Two short loops keep more accesses in flight than one that does both.
Status EmbeddingTable::Pull(std::span<const Key> keys, float* values) {
  const std::size_t floats = layout_.weight_floats();
  on_disk_.clear();
  for (std::size_t first = 0; first < keys.size(); first += kPart) {
    const std::span part = keys.subspan(first, std::min(kPart, keys.size() - first));
    FindPart(part);
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (i + kAhead < part.size()) PrefetchRow(places_[i + kAhead], layout_.weight_bytes());
      const RowPlace place(places_[i]);
      GiveWeights(part[i], place.resident() ? rows_.Row(place.number()) : nullptr, values + (first + i) * floats);
      if (place.on_disk()) [[unlikely]] {
        on_disk_.push_back(first + i);
        disk_numbers_.push_back(place.number());
      }
    }
    StartReadFromDisk();  // the disk works meanwhile
  }
  return on_disk_.empty() ? Status() : PullFromDisk(keys, values);
}

// places_: of each key what the index says, or kNone. Keys that are not in their home buckets would make all wait for
// memory: they come last, while their buckets are in the cache.
void EmbeddingTable::FindPart(std::span<const Key> keys) {
  std::array<std::uint16_t, kPart> late;
  std::size_t late_count = 0;
  const auto note = [&](std::size_t i, std::uint32_t* value) {
    places_[i] = value == nullptr ? kNone : *value;
    if (spills_ && value != nullptr) KeyIndex::Mark(value);
  };
  for (std::size_t i = 0; i < keys.size() + kAhead; ++i) {
    if (i < keys.size()) index_.Prefetch(Mix(keys[i]));
    if (i < kAhead) continue;
    const std::size_t k = i - kAhead;
    KeyIndex::Rest rest = KeyIndex::Rest::kNone;
    std::uint32_t* value = index_.FindAtHome(keys[k], Mix(keys[k]), &rest);
    late[late_count] = static_cast<std::uint16_t>(k);
    late_count += rest == KeyIndex::Rest::kBeyond ? 1 : 0;
    note(k, value);
  }
  for (std::size_t i = 0; i < late_count; ++i) note(late[i], index_.Find(keys[late[i]], Mix(keys[late[i]])));
}

inline void EmbeddingTable::GiveWeights(Key key, const std::byte* row, float* values) {
  if (row != nullptr) {
    if (layout_.plain()) return CopyFloats(reinterpret_cast<const float*>(row), layout_.weight_floats(), values);
    return layout_.DecodeWeights(row, values);
  }
  layout_.InitWeights(RowStream(stream_, key), values);
  if (layout_.plain()) return;
  // As the row will be kept.
  floats_.Resize(layout_.row_floats());
  encoded_.resize(layout_.row_bytes());
  std::memcpy(floats_.data(), values, layout_.weight_floats() * sizeof(float));
  layout_.EncodeRow(floats_.data(), {}, encoded_.data());
  layout_.DecodeWeights(encoded_.data(), values);
}

// They stay in memory if there is room: a row that is pulled will be pushed to.
Status EmbeddingTable::PullFromDisk(std::span<const Key> keys, float* values) {
  disk_keys_.clear();
  for (const std::size_t i : on_disk_) disk_keys_.push_back(keys[i]);
  RETURN_IF_ERROR(FinishReadFromDisk());
  for (std::size_t i = 0; i < on_disk_.size(); ++i) {
    layout_.DecodeWeights(&disk_rows_[i * layout_.row_bytes()], values + on_disk_[i] * layout_.weight_floats());
  }
  if (MakeRoom(disk_keys_.size()).ok()) BringBack(disk_keys_, disk_rows_.data());
  return {};
}

// ---- push ----------------------------------------------------------------------------------------------------------

Status EmbeddingTable::Prepare(std::span<const Key> keys) {
  RETURN_IF_ERROR(MakeRoom(keys.size()));
  if (spill_ == nullptr) return {};
  FindOnDisk(keys);
  if (disk_keys_.empty()) return {};
  RETURN_IF_ERROR(FinishReadFromDisk());
  BringBack(disk_keys_, disk_rows_.data());
  return {};
}

// disk_keys_: those that are on disk, on their way from there.
void EmbeddingTable::FindOnDisk(std::span<const Key> keys) {
  disk_keys_.clear();
  for (std::size_t i = 0; i < keys.size() + kAhead; ++i) {
    if (i < keys.size()) index_.Prefetch(Mix(keys[i]));
    if (i < kAhead) continue;
    const Key key = keys[i - kAhead];
    std::uint32_t* value = index_.Find(key, Mix(key));
    if (value == nullptr) continue;
    KeyIndex::Mark(value);  // so that what comes in between spares it
    if (!RowPlace(*value).on_disk()) continue;
    disk_keys_.push_back(key);
    disk_numbers_.push_back(RowPlace(*value).number());
    if (disk_numbers_.size() == kReadsAtOnce) StartReadFromDisk();
  }
  StartReadFromDisk();
}

void EmbeddingTable::PushPrepared(std::span<const Key> keys, const float* sums, const PushStep& step) {
  CHECK_NE(layout_.storage().weights(), proto::RowStorage::INT8) << "rows for serving are not trained";
  clock_ = std::max(clock_, step.clock);
  seconds_ = std::max(seconds_, step.seconds);
  PushAll(keys, sums, step);
  if (!full_slots_.empty()) KeepSlotLimits();
}

// As in a pull, but that the second loop goes by groups of rows, which an optimizer updates together.
void EmbeddingTable::PushAll(std::span<const Key> keys, const float* sums, const PushStep& step) {
  const std::size_t floats = layout_.weight_floats();
  for (std::size_t first = 0; first < keys.size(); first += kPart) {
    const std::span part = keys.subspan(first, std::min(kPart, keys.size() - first));
    const float* part_sums = sums + first * floats;
    FindRowsOfPart(part, part_sums);
    PrefetchGroup(0, part.size());
    for (std::size_t group = 0; group < part.size(); group += kGroup) {
      PrefetchGroup(group + kGroup, part.size());
      const std::size_t n = std::min(kGroup, part.size() - group);
      ApplyGroup(part.subspan(group, n), part_sums + group * floats, step, {&places_[group], n});
    }
  }
}

void EmbeddingTable::PrefetchGroup(std::size_t first, std::size_t end) const {
  for (std::size_t i = first; i < std::min(first + kGroup, end); ++i) PrefetchRow(places_[i], layout_.row_bytes());
}

// places_: of each key the number of its row, which is made if need be, or kNone: it is refused, or not admitted yet.
void EmbeddingTable::FindRowsOfPart(std::span<const Key> keys, const float* sums) {
  std::array<std::uint8_t, kPart> finite;
  std::array<std::uint16_t, kPart> late;
  std::size_t late_count = 0;
  FindFiniteRows(sums, keys.size(), layout_.weight_floats(), finite.data());
  for (std::size_t i = 0; i < keys.size() + kAhead; ++i) {
    if (i < keys.size()) index_.Prefetch(Mix(keys[i]));
    if (i < kAhead) continue;
    const std::size_t k = i - kAhead;
    if (finite[k] == 0) [[unlikely]] {
      ++counters_.refused_rows;
      counters_.refused_key = keys[k];
      places_[k] = kNone;
      continue;
    }
    const std::uint64_t hash = Mix(keys[k]);
    KeyIndex::Rest rest = KeyIndex::Rest::kNone;
    std::uint32_t* value = index_.FindAtHome(keys[k], hash, &rest);
    if (rest == KeyIndex::Rest::kBeyond) {
      late[late_count++] = static_cast<std::uint16_t>(k);
    } else {
      places_[k] = RowForPush(keys[k], hash, value);
    }
  }
  for (std::size_t i = 0; i < late_count; ++i) {
    const std::uint64_t hash = Mix(keys[late[i]]);
    places_[late[i]] = RowForPush(keys[late[i]], hash, index_.Find(keys[late[i]], hash));
  }
}

// The key's row, which is made if it is time for it, or kNone. `value` is what the index has of the key.
std::uint32_t EmbeddingTable::RowForPush(Key key, std::uint64_t hash, std::uint32_t* value) {
  const std::uint32_t admit_after = layout_.storage().admit_after();
  if (value == nullptr) {
    if (admit_after > 1) {
      index_.Insert(key, hash, RowPlace::Candidate(1).value());
      ++candidates_;
      ++counters_.dropped_updates;
      return kNone;
    }
    const std::uint32_t row = AddRow(key);
    value = index_.Insert(key, hash, RowPlace::Resident(row).value());
    if (spills_) KeyIndex::Mark(value);
    return row;
  }
  const RowPlace place(*value);
  if (spills_) KeyIndex::Mark(value);
  if (place.resident()) [[likely]]
    return place.number();
  CHECK(place.candidate()) << "key " << key << " was left on disk";
  if (place.sightings() + 1 < admit_after) {
    *value = RowPlace::Candidate(place.sightings() + 1).value();
    ++counters_.dropped_updates;
    return kNone;
  }
  const std::uint32_t row = AddRow(key);
  *value = RowPlace::Resident(row).value();
  --candidates_;
  return row;
}

// A new row with its first weights and state.
std::uint32_t EmbeddingTable::AddRow(Key key) {
  const std::uint32_t number = rows_.Take();
  CHECK_LT(number, RowPlace::kMostRows) << "a table's rows in one shard are numbered by 31 bits: use more shards";
  std::byte* row = rows_.Row(number);
  if (layout_.plain()) {
    layout_.InitWeights(RowStream(stream_, key), reinterpret_cast<float*>(row));
    layout_.InitState(reinterpret_cast<float*>(row));
  } else {
    floats_.Resize(layout_.row_floats());
    layout_.InitWeights(RowStream(stream_, key), floats_.data());
    layout_.EncodeRow(floats_.data(), {}, row);
    layout_.DecodeWeights(row, floats_.data());
    layout_.InitState(floats_.data());
    layout_.EncodeRow(floats_.data(), {}, row);
  }
  if (layout_.usage().count != 0) std::memset(row + layout_.usage().count, 0, sizeof(std::uint32_t));
  if (slot_limit_ > 0) CountRow(key);
  return number;
}

void EmbeddingTable::CountRow(Key key) {
  const Slot slot = SlotOf(key);
  if (++slot_rows_[slot - index_.first_slot()] == slot_limit_ + 1) full_slots_.push_back(slot);
}

void EmbeddingTable::ApplyGroup(std::span<const Key> keys, const float* sums, const PushStep& step,
                                std::span<const std::uint32_t> rows) {
  for (std::size_t i = 0; i < rows.size();) {
    std::size_t end = i;
    while (end < rows.size() && rows[end] != kNone) ++end;
    if (end > i) {
      ApplyRun(keys.subspan(i, end - i), sums + i * layout_.weight_floats(), step, rows.subspan(i, end - i));
    }
    i = end + 1;
  }
}

void EmbeddingTable::ApplyRun(std::span<const Key> keys, const float* sums, const PushStep& step,
                              std::span<const std::uint32_t> rows) {
  const bool uses = layout_.usage().clock + layout_.usage().second + layout_.usage().count != 0;
  std::array<float*, kGroup> floats;
  if (layout_.plain()) {
    for (std::size_t i = 0; i < rows.size(); ++i) floats[i] = reinterpret_cast<float*>(rows_.Row(rows[i]));
    UpdateSegments({floats.data(), rows.size()}, sums, step);
  } else {
    floats_.Resize(kGroup * layout_.row_floats());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      floats[i] = &floats_[i * layout_.row_floats()];
      layout_.DecodeRow(rows_.Row(rows[i]), floats[i]);
    }
    UpdateSegments({floats.data(), rows.size()}, sums, step);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Rounding rounding{.stochastic = true, .noise = Mix(stream_, step.noise, keys[i])};
      layout_.EncodeRow(floats[i], rounding, rows_.Row(rows[i]));
    }
  }
  if (!uses) return;
  for (const std::uint32_t row : rows) NoteUse(rows_.Row(row), step);
}

void EmbeddingTable::UpdateSegments(std::span<float* const> rows, const float* sums, const PushStep& step) {
  for (const RowLayout::Segment& segment : layout_.segments()) {
    const RowBatch batch{.rows = rows,
                         .weights = segment.weights,
                         .state = segment.state,
                         .dim = segment.dim,
                         .gradients = sums + segment.weights,
                         .stride = layout_.weight_floats()};
    segment.optimizer->Update(batch, step.divisor, step.rate_scale, &scratch_);
  }
}

void EmbeddingTable::NoteUse(std::byte* row, const PushStep& step) const {
  const RowLayout::Usage& usage = layout_.usage();
  const std::uint32_t clock = static_cast<std::uint32_t>(step.clock);
  if (usage.clock != 0) std::memcpy(row + usage.clock, &clock, sizeof(clock));
  if (usage.second != 0) std::memcpy(row + usage.second, &step.seconds, sizeof(step.seconds));
  if (usage.count == 0) return;
  std::uint32_t count;
  std::memcpy(&count, row + usage.count, sizeof(count));
  count = std::max(count + 1, count);
  std::memcpy(row + usage.count, &count, sizeof(count));
}

inline void EmbeddingTable::PrefetchRow(std::uint32_t place, std::uint32_t bytes) const {
  if (!RowPlace(place).resident()) return;
  // Beyond a few lines the processor's own prefetcher has seen the pattern.
  const std::byte* row = rows_.Row(place);
  const std::byte* end = row + std::min<std::size_t>(bytes, 8 * kLine) - 1;
  for (const std::byte* line = row; line < end; line += kLine) __builtin_prefetch(line);
  __builtin_prefetch(end);
}

// ---- whole rows ----------------------------------------------------------------------------------------------------

Status EmbeddingTable::Restore(Key key, const std::byte* row) {
  const std::uint64_t hash = Mix(key);
  if (const std::uint32_t* value = index_.Find(key, hash); value != nullptr) Erase(key, RowPlace(*value));
  RETURN_IF_ERROR(MakeRoom(1));
  const std::uint32_t number = rows_.Take();
  std::memcpy(rows_.Row(number), row, layout_.row_bytes());
  index_.Insert(key, hash, RowPlace::Resident(number).value());
  if (slot_limit_ > 0) CountRow(key);
  if (!full_slots_.empty()) KeepSlotLimits();
  return {};
}

Status EmbeddingTable::RestoreCandidate(Key key, std::uint32_t sightings) {
  if (sightings == 0 || sightings > RowPlace::kMostSightings) {
    return Status::BadData("key " + std::to_string(key) + " was seen " + std::to_string(sightings) + " times, not 1.." +
                           std::to_string(RowPlace::kMostSightings));
  }
  const std::uint64_t hash = Mix(key);
  if (index_.Find(key, hash) != nullptr) return Status::BadData("key " + std::to_string(key) + " comes twice");
  RETURN_IF_ERROR(MakeRoom(1));
  index_.Insert(key, hash, RowPlace::Candidate(sightings).value());
  ++candidates_;
  return {};
}

Status EmbeddingTable::ReadSlot(Slot slot, SlotContents* contents) {
  contents->rows.clear();
  contents->candidates.clear();
  disk_keys_.clear();
  index_.ForEachOfSlot(slot, [&](Key key, const std::uint32_t* value) {
    const RowPlace place(*value);
    if (place.candidate()) {
      contents->candidates.emplace_back(key, place.sightings());
    } else if (place.resident()) {
      contents->rows.emplace_back(key, rows_.Row(place.number()));
    } else {
      disk_keys_.push_back(key);
    }
  });
  if (!disk_keys_.empty()) RETURN_IF_ERROR(ReadFromDisk(disk_keys_, &disk_rows_));
  for (std::size_t i = 0; i < disk_keys_.size(); ++i) {
    contents->rows.emplace_back(disk_keys_[i], &disk_rows_[i * layout_.row_bytes()]);
  }
  std::ranges::sort(contents->rows);
  std::ranges::sort(contents->candidates);
  return {};
}

EmbeddingTable::Memory EmbeddingTable::memory() const {
  const std::uint64_t resident = rows() - spilled_rows();
  Memory memory;
  memory.keys = index_.size() * sizeof(Key);
  memory.index = index_.bytes() - memory.keys;
  memory.weights = resident * layout_.weight_bytes();
  memory.state = resident * layout_.state_bytes();
  memory.slack = bytes() - index_.bytes() - memory.weights - memory.state;
  return memory;
}

}  // namespace sherd
