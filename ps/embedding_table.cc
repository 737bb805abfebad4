#include "ps/embedding_table.h"

#include <algorithm>
#include <cstring>

#include "ps/optimizer/gradient.h"

namespace sherd {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kAhead = 24;        // rows between a prefetch and its use
constexpr std::size_t kReadsAtOnce = 96;  // of a pull

// Beyond a few lines the processor's own prefetcher has seen the pattern. Always inline, as is what calls it: GCC 12
// takes a function that only prefetches for one without effect, and drops calls of it.
[[gnu::always_inline]] inline void PrefetchLines(const std::byte* data, std::size_t bytes) {
  const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t end = first + std::min(bytes, 8 * kLine);
  for (std::uintptr_t line = first & ~(kLine - 1); line < end; line += kLine) {
    __builtin_prefetch(reinterpret_cast<const void*>(line));
  }
}

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

// Calls give(i, weights) for each of `places` that is a resident row, with its memory on the way kAhead rows before.
// The others come into `absent`, of which the number is returned. `places` goes on with kAhead more, of any value.
// kBytes: of weights, or 0 where they are not known when compiling.
template <std::size_t kBytes, class Give>
[[gnu::always_inline]] inline std::size_t VisitResident(const RowMemory::View rows, const std::uint32_t* places,
                                                        std::size_t count, std::size_t bytes, std::uint16_t* absent,
                                                        const Give& give) {
  std::size_t absent_count = 0;
  for (std::size_t i = 0; i < std::min(kAhead, count); ++i) PrefetchLines(rows.Weights(places[i]), bytes);
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (kBytes == kLine) {
      __builtin_prefetch(rows.Weights(places[i + kAhead]));
    } else {
      PrefetchLines(rows.Weights(places[i + kAhead]), bytes);
    }
    if (RowPlace(places[i]).resident()) [[likely]] {
      give(i, rows.Weights(places[i]));
    } else {
      absent[absent_count++] = static_cast<std::uint16_t>(i);
    }
  }
  return absent_count;
}

}  // namespace

EmbeddingTable::EmbeddingTable(RowLayout layout, std::uint64_t stream, Slot first, Slot end, std::string spill_dir)
    : layout_(std::move(layout)),
      stream_(stream),
      spill_dir_(std::move(spill_dir)),
      spills_(layout_.storage().at_budget() == proto::RowStorage::SPILL),
      index_(first, end),
      rows_(layout_.state_offset(), layout_.row_bytes() - layout_.state_offset()),
      changes_(&rows_, first, end),
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
// keys ahead.
Status EmbeddingTable::Pull(std::span<const Key> keys, float* values) {
  const std::size_t floats = layout_.weight_floats();
  on_disk_.clear();
  for (std::size_t first = 0; first < keys.size(); first += kPart) {
    const std::span part = keys.subspan(first, std::min(kPart, keys.size() - first));
    float* const out = values + first * floats;
    index_.FindAll(part, spills_, places_.data());
    std::array<std::uint16_t, kPart> absent;
    const std::size_t count = GiveResident(part.size(), out, absent.data());
    for (std::size_t j = 0; j < count; ++j) {
      const std::size_t i = absent[j];
      if (const RowPlace place(places_[i]); place.on_disk()) {
        on_disk_.push_back(first + i);
        disk_numbers_.push_back(place.number());
      } else {
        GiveFirstWeights(part[i], out + i * floats);
      }
    }
    if (disk_numbers_.size() >= kReadsAtOnce) StartReadFromDisk();  // the disk works meanwhile
  }
  StartReadFromDisk();
  return on_disk_.empty() ? Status() : PullFromDisk(keys, values);
}

std::size_t EmbeddingTable::GiveResident(std::size_t count, float* values, std::uint16_t* absent) {
  const std::size_t floats = layout_.weight_floats(), bytes = layout_.weight_bytes();
  const RowMemory::View rows = rows_.view();
  const std::uint32_t* const places = places_.data();
  static_assert(kNone == KeyIndex::kNone && std::tuple_size_v<decltype(places_)> >= kPart + kAhead);
  std::fill_n(places_.begin() + static_cast<std::ptrdiff_t>(count), kAhead, 0);
  if (!layout_.plain()) {
    return VisitResident<0>(rows, places, count, bytes, absent, [&](std::size_t i, const std::byte* weights) {
      layout_.DecodeWeights(weights, values + i * floats);
    });
  }
  if (bytes == kLine) {
    return VisitResident<kLine>(rows, places, count, bytes, absent, [=](std::size_t i, const std::byte* weights) {
      std::memcpy(values + i * (kLine / sizeof(float)), weights, kLine);
    });
  }
  return VisitResident<0>(rows, places, count, bytes, absent, [=](std::size_t i, const std::byte* weights) {
    CopyFloats(reinterpret_cast<const float*>(weights), floats, values + i * floats);
  });
}

// Of a key without a row, as they will be kept.
void EmbeddingTable::GiveFirstWeights(Key key, float* values) {
  layout_.InitWeights(RowStream(stream_, key), values);
  if (layout_.plain()) return;
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
  if (MakeRoom({.rows = disk_keys_.size(), .keys = 0, .most = disk_keys_.size()}).ok())
    BringBack(disk_keys_, disk_rows_.data());
  return {};
}

// ---- push ----------------------------------------------------------------------------------------------------------

Status EmbeddingTable::Prepare(std::span<const Key> keys) {
  const Need most{.rows = keys.size(), .keys = keys.size(), .most = keys.size()};
  const bool ample = HasRoom(most);
  if (ample && spill_ == nullptr) return {};
  Need need = FindAway(keys);
  if (!ample && !HasRoom(need)) {
    RETURN_IF_ERROR(MakeRoom(need));
    need = FindAway(keys);  // some of these keys may have gone
    if (!HasRoom(need)) {
      RETURN_IF_ERROR(MakeRoom(most));
      FindAway(keys);
    }
  }
  if (disk_keys_.empty()) return {};
  RETURN_IF_ERROR(ReadFromDisk(disk_keys_, &disk_rows_));
  BringBack(disk_keys_, disk_rows_.data());
  return {};
}

// What the keys lack. disk_keys_: those whose rows are on disk. Under SPILL their entries are marked, so that what
// comes in between spares them.
EmbeddingTable::Need EmbeddingTable::FindAway(std::span<const Key> keys) {
  Need need{.rows = keys.size(), .keys = keys.size(), .most = keys.size()};
  disk_keys_.clear();
  for (std::size_t first = 0; first < keys.size(); first += kPart) {
    const std::span part = keys.subspan(first, std::min(kPart, keys.size() - first));
    index_.FindAll(part, spills_, places_.data());
    for (std::size_t i = 0; i < part.size(); ++i) {
      const RowPlace place(places_[i]);
      if (place.value() != kNone) --need.keys;
      if (place.resident()) --need.rows;
      if (place.on_disk()) disk_keys_.push_back(part[i]);
    }
  }
  return need;
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
    const RowMemory::View rows = rows_.view();
    const auto prefetch = [&](std::size_t begin) __attribute__((always_inline)) {
      for (std::size_t i = begin; i < std::min(begin + kGroup, part.size()); ++i) {
        PrefetchLines(rows.Weights(places_[i]), layout_.weight_bytes());
        PrefetchLines(rows.Rest(places_[i]), layout_.state_bytes());
      }
    };
    prefetch(0);
    for (std::size_t group = 0; group < part.size(); group += kGroup) {
      prefetch(group + kGroup);
      const std::size_t n = std::min(kGroup, part.size() - group);
      ApplyGroup(part.subspan(group, n), part_sums + group * floats, step, {&places_[group], n});
    }
  }
}

// places_: of each key the number of its row, which is made if need be, or kNone: it is refused, or not admitted yet.
void EmbeddingTable::FindRowsOfPart(std::span<const Key> keys, const float* sums) {
  std::array<std::uint8_t, kPart> finite;
  std::array<std::uint16_t, kPart> new_rows;
  std::size_t count = 0;
  FindFiniteRows(sums, keys.size(), layout_.weight_floats(), finite.data());
  index_.FindAll(keys, spills_, places_.data());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const RowPlace place(places_[i]);
    if (finite[i] != 0 && place.resident()) [[likely]]
      continue;
    if (finite[i] == 0) {
      ++counters_.refused_rows;
      counters_.refused_key = keys[i];
    } else if (Admit(keys[i], place)) {
      new_rows[count++] = static_cast<std::uint16_t>(i);
      continue;
    }
    places_[i] = kNone;
  }
  for (std::size_t i = 0; i < count; i += kGroup) MakeRows(keys, {&new_rows[i], std::min(kGroup, count - i)});
}

// Counts a sighting of a key without a row. Is it time for one?
bool EmbeddingTable::Admit(Key key, RowPlace place) {
  const std::uint32_t admit_after = layout_.storage().admit_after();
  if (place.value() == kNone) {
    if (admit_after <= 1) return true;
    if (changes_.active()) changes_.UpdateCandidate(key, 0);
    index_.Insert(key, Mix(key), RowPlace::Candidate(1).value());
    ++candidates_;
  } else {
    CHECK(place.candidate()) << "key " << key << " was left on disk";
    if (place.sightings() + 1 >= admit_after) return true;
    if (changes_.active()) changes_.UpdateCandidate(key, place.sightings());
    *index_.Find(key, Mix(key)) = RowPlace::Candidate(place.sightings() + 1).value();
  }
  ++counters_.dropped_updates;
  return false;
}

// Rows with their first weights and state, for the keys of these numbers. places_ has what the index says of them, and
// gets the rows' numbers.
void EmbeddingTable::MakeRows(std::span<const Key> keys, std::span<const std::uint16_t> which) {
  std::array<std::uint32_t, kGroup> rows;
  std::array<std::uint64_t, kGroup> streams;
  std::array<float*, kGroup> weights;
  for (std::size_t i = 0; i < which.size(); ++i) {
    index_.Prefetch(Mix(keys[which[i]]));
    rows[i] = rows_.Take();
  }
  floats_.Resize(kGroup * layout_.row_floats());
  for (std::size_t i = 0; i < which.size(); ++i) {
    CHECK_LT(rows[i], RowPlace::kMostRows) << "a table's rows in one shard are numbered by 31 bits: use more shards";
    streams[i] = RowStream(stream_, keys[which[i]]);
    weights[i] =
        layout_.plain() ? reinterpret_cast<float*>(rows_.Weights(rows[i])) : &floats_[i * layout_.row_floats()];
  }
  layout_.InitWeights({streams.data(), which.size()}, {weights.data(), which.size()});
  for (std::size_t i = 0; i < which.size(); ++i) {
    std::byte* const rest = rows_.Rest(rows[i]);
    if (layout_.plain()) {
      layout_.InitState(weights[i], reinterpret_cast<float*>(rest));
    } else {
      // The state is that of the weights as they are kept.
      std::byte* const row = rows_.Weights(rows[i]);
      layout_.EncodeRow(weights[i], {}, row, rest);
      layout_.DecodeWeights(row, weights[i]);
      layout_.InitState(weights[i], weights[i] + layout_.weight_floats());
      layout_.EncodeRow(weights[i], {}, row, rest);
    }
    if (layout_.usage().count != 0) std::memset(UsageField(rows[i], layout_.usage().count), 0, sizeof(std::uint32_t));
  }
  for (std::size_t i = 0; i < which.size(); ++i) Enter(keys[which[i]], rows[i], &places_[which[i]]);
}

// A new row into the index. `place` is what the index says of the key, and gets the row's number.
void EmbeddingTable::Enter(Key key, std::uint32_t row, std::uint32_t* place) {
  const std::uint64_t hash = Mix(key);
  if (changes_.active()) {
    if (*place != kNone) changes_.UpdateCandidate(key, RowPlace(*place).sightings());
    changes_.Make(key, row);
  }
  if (*place == kNone) {
    std::uint32_t* value = index_.Insert(key, hash, RowPlace::Resident(row).value());
    if (spills_) KeyIndex::Mark(value);
  } else {
    *index_.Find(key, hash) = RowPlace::Resident(row).value();
    --candidates_;
  }
  *place = row;
  if (slot_limit_ > 0) CountRow(key);
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
  std::array<float*, kGroup> weights, states;
  if (changes_.active()) {
    for (std::size_t i = 0; i < rows.size(); ++i) changes_.Update(keys[i], rows[i]);
  }
  if (layout_.plain()) {
    const RowMemory::View memory = rows_.view();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      weights[i] = reinterpret_cast<float*>(memory.Weights(rows[i]));
      states[i] = reinterpret_cast<float*>(memory.Rest(rows[i]));
    }
    UpdateSegments({weights.data(), rows.size()}, {states.data(), rows.size()}, sums, step);
  } else {
    floats_.Resize(kGroup * layout_.row_floats());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      weights[i] = &floats_[i * layout_.row_floats()];
      states[i] = weights[i] + layout_.weight_floats();
      layout_.DecodeRow(rows_.Weights(rows[i]), rows_.Rest(rows[i]), weights[i]);
    }
    UpdateSegments({weights.data(), rows.size()}, {states.data(), rows.size()}, sums, step);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Rounding rounding{.stochastic = true, .noise = Mix(stream_, step.noise, keys[i])};
      layout_.EncodeRow(weights[i], rounding, rows_.Weights(rows[i]), rows_.Rest(rows[i]));
    }
  }
  if (!uses) return;
  for (const std::uint32_t row : rows) NoteUse(row, step);
}

void EmbeddingTable::UpdateSegments(std::span<float* const> weights, std::span<float* const> states, const float* sums,
                                    const PushStep& step) {
  for (const RowLayout::Segment& segment : layout_.segments()) {
    const RowBatch batch{.rows = weights,
                         .states = states,
                         .weights = segment.weights,
                         .state = segment.state - layout_.weight_floats(),
                         .dim = segment.dim,
                         .gradients = sums + segment.weights,
                         .stride = layout_.weight_floats()};
    segment.optimizer->Update(batch, step.divisor, step.rate_scale, &scratch_);
  }
}

void EmbeddingTable::NoteUse(std::uint32_t row, const PushStep& step) const {
  const RowLayout::Usage& usage = layout_.usage();
  const std::uint32_t clock = static_cast<std::uint32_t>(step.clock);
  if (usage.clock != 0) std::memcpy(UsageField(row, usage.clock), &clock, sizeof(clock));
  if (usage.second != 0) std::memcpy(UsageField(row, usage.second), &step.seconds, sizeof(step.seconds));
  if (usage.count == 0) return;
  std::uint32_t count;
  std::memcpy(&count, UsageField(row, usage.count), sizeof(count));
  count = std::max(count + 1, count);
  std::memcpy(UsageField(row, usage.count), &count, sizeof(count));
}

// ---- whole rows ----------------------------------------------------------------------------------------------------

Status EmbeddingTable::Restore(Key key, const std::byte* row) {
  const std::uint64_t hash = Mix(key);
  const std::uint32_t* old = index_.Find(key, hash);
  if (old == nullptr || !RowPlace(*old).resident()) RETURN_IF_ERROR(MakeRoom({.rows = 1, .keys = 1, .most = 1}));
  old = index_.Find(key, hash);
  if (old != nullptr) Erase(key, RowPlace(*old));
  const std::uint32_t number = rows_.Take();
  rows_.Write(row, number);
  index_.Insert(key, hash, RowPlace::Resident(number).value());
  if (changes_.active()) changes_.Make(key, number);
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
  RETURN_IF_ERROR(MakeRoom({.rows = 1, .keys = 1, .most = 1}));
  if (changes_.active()) changes_.UpdateCandidate(key, 0);
  index_.Insert(key, hash, RowPlace::Candidate(sightings).value());
  ++candidates_;
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
