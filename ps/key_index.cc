#include "ps/key_index.h"

#include <glog/logging.h>

#include <algorithm>
#include <array>

namespace sherd {
namespace {

constexpr std::uint64_t kFirstBuckets = 12;
constexpr std::uint64_t kSpare = 64;  // buckets behind the last home: at least so many
// While growing: buckets moved for each insertion, and at a time. What is not moved yet fills up meanwhile, to 87 % at
// four for each insertion, to 92 at two, and its runs of full buckets get long. But the new buckets' pages are touched
// for the first time then, which takes long on some virtual machines: at eight, 14 times as long as a usual batch.
constexpr std::uint32_t kMovesPerInsert = 4;
constexpr std::uint32_t kMovesAtOnce = 256;
constexpr std::size_t kAhead = 32;  // keys between a prefetch and its use

// At most 82 % full: then nine look-ups of ten end in their first bucket.
std::uint64_t LimitOf(std::uint64_t buckets, std::uint32_t entries) { return buckets * entries * 82 / 100; }

std::uint64_t NextSize(std::uint64_t buckets) { return buckets + buckets / 5 + 1; }

}  // namespace

KeyIndex::KeyIndex(Slot first, Slot end) : first_(first), end_(end), base_(std::uint64_t{first} << 52) {
  CHECK(first < end && end <= kSlots);
  SetBuckets(kFirstBuckets);
}

void KeyIndex::SetBuckets(std::uint64_t buckets) {
  homes_ = buckets;
  scale_ = ScaleOf(buckets);
  limit_ = LimitOf(buckets, kEntries);
  memory_.Grow((buckets + kSpare + buckets / 256) * sizeof(Bucket));
  buckets_ = reinterpret_cast<Bucket*>(memory_.data());
}

// Every key is looked for in its home, without a branch that depends on it, with the homes of others on their way; then
// those that go on in the next bucket, and so on, one bucket further each time. So no look-up waits for memory by
// itself. A home is found while others are waited for: in a loop before this one it costs 3 ns more.
template <bool kMark>
void KeyIndex::FindEach(std::span<const Key> keys, std::uint32_t* values) const {
  CHECK_LE(keys.size(), kMostAtOnce);
  std::array<std::uint32_t, kMostAtOnce + kAhead> homes;
  std::array<std::uint16_t, kMostAtOnce> beyond;
  const std::size_t count = keys.size();
  if (count == 0) return;
  // Beyond the end the last one's once more, which costs less than to ask.
  const auto approach = [&](std::size_t i) {
    homes[i] = static_cast<std::uint32_t>(HomeOf(Mix(keys[std::min(i, count - 1)])));
    __builtin_prefetch(&buckets_[homes[i]]);
  };

  // 1: the key must be looked for in the next bucket. In arithmetic, since GCC would make branches of conditions.
  const auto look = [&](std::size_t i, Bucket& bucket) -> std::size_t {
    const std::uint32_t found = Match(bucket, keys[i]);
    const std::uint32_t missing = found == 0 ? 1 : 0;
    values[i] = bucket.values[std::countr_zero(found | 1u << (kEntries - 1))] | (0 - missing);
    // A line that is not changed need not be written back.
    if (kMark && (bucket.marks & found) != found) bucket.marks |= static_cast<std::uint8_t>(found);
    return missing & (bucket.count == kEntries ? 1u : 0u);
  };
  for (std::size_t i = 0; i < kAhead; ++i) approach(i);
  std::size_t left = 0;
  for (std::size_t i = 0; i < count; ++i) {
    approach(i + kAhead);
    beyond[left] = static_cast<std::uint16_t>(i);
    const std::size_t more = look(i, buckets_[homes[i]]);
    __builtin_prefetch(&buckets_[homes[i] + more]);
    left += more;
  }
  for (std::uint32_t step = 1; left > 0; ++step) {
    std::size_t still = 0;
    for (std::size_t j = 0; j < left; ++j) {
      const std::uint16_t i = beyond[j];
      beyond[still] = i;
      const std::size_t more = look(i, buckets_[homes[i] + step]);
      __builtin_prefetch(&buckets_[homes[i] + step + more]);
      still += more;
    }
    left = still;
  }
}

template void KeyIndex::FindEach<false>(std::span<const Key>, std::uint32_t*) const;
template void KeyIndex::FindEach<true>(std::span<const Key>, std::uint32_t*) const;

std::uint64_t KeyIndex::BytesAfter(std::uint64_t more) const {
  return size_ + more <= limit_ ? bytes() : std::max(bytes(), BytesOf(size_ + more));
}

std::uint64_t KeyIndex::BytesOf(std::uint64_t entries) {
  std::uint64_t buckets = kFirstBuckets;
  while (entries > LimitOf(buckets, kEntries)) buckets = NextSize(buckets);
  return (buckets + kSpare + buckets / 256) * sizeof(Bucket);
}

void KeyIndex::Reserve(std::uint64_t entries) {
  CHECK(size_ == 0 && frontier_ == 0);
  std::uint64_t buckets = homes_;
  while (entries > LimitOf(buckets, kEntries)) buckets = NextSize(buckets);
  SetBuckets(buckets);
  memory_.Expect(memory_.size());
}

std::uint32_t* KeyIndex::Insert(Key key, std::uint64_t hash, std::uint32_t value) {
  if (size_ >= limit_) StartGrowth();
  if (frontier_ != 0 && (owed_moves_ += kMovesPerInsert) >= kMovesAtOnce) {
    owed_moves_ = 0;
    MoveRuns();
  }
  ++size_;
  Bucket* bucket = Place(HomeOf(hash), key, value, false);
  return &bucket->values[bucket->count - 1];
}

// As the last entry of the first bucket with room.
KeyIndex::Bucket* KeyIndex::Place(std::uint64_t home, Key key, std::uint32_t value, bool marked) {
  while (buckets_[home].count == kEntries) ++home;
  // The bucket behind the last one in use is always there, and empty.
  if ((home + 2) * sizeof(Bucket) > memory_.size()) {
    memory_.Grow(memory_.size() + kSpare * sizeof(Bucket));
    buckets_ = reinterpret_cast<Bucket*>(memory_.data());
  }
  Bucket& bucket = buckets_[home];
  bucket.keys[bucket.count] = key;
  bucket.values[bucket.count] = value;
  if (marked) bucket.marks |= static_cast<std::uint8_t>(1u << bucket.count);
  ++bucket.count;
  return &bucket;
}

void KeyIndex::StartGrowth() {
  while (frontier_ != 0) MoveRuns();
  old_scale_ = scale_;
  unmoved_ = homes_;
  // Entries behind the last home belong to the last run.
  frontier_ = ~std::uint64_t{0};
  SetBuckets(NextSize(homes_));
}

// Takes the last runs of buckets that are where the old scale put them, and puts their entries where the new one does.
void KeyIndex::MoveRuns() {
  const std::uint64_t begin = RunBefore(unmoved_ < kMovesAtOnce ? 1 : unmoved_ - kMovesAtOnce + 1);
  std::uint64_t end = unmoved_;
  while (buckets_[end - 1].count == kEntries) ++end;
  run_.assign(buckets_ + begin, buckets_ + end);
  for (std::uint64_t b = begin; b < end; ++b) buckets_[b].count = 0, buckets_[b].marks = 0;
  unmoved_ = begin;
  // The first offset whose home by the old scale is not below `begin`.
  const auto shifted = static_cast<unsigned __int128>(begin) << 64;
  frontier_ = static_cast<std::uint64_t>((shifted + old_scale_ - 1) / old_scale_);
  for (const Bucket& bucket : run_) {
    std::array<std::uint64_t, kEntries> homes;  // all five of them, whether they are there or not: without a branch
    for (std::uint32_t i = 0; i < kEntries; ++i) homes[i] = Below(Offset(Mix(bucket.keys[i])), scale_);
    for (std::uint32_t i = 0; i < bucket.count; ++i) {
      Place(homes[i], bucket.keys[i], bucket.values[i], (bucket.marks >> i & 1) != 0);
    }
  }
}

// Where the run that bucket - 1 is in begins: no entry in it or behind it has its home before that.
std::uint64_t KeyIndex::RunBefore(std::uint64_t bucket) const {
  --bucket;
  while (bucket > 0 && buckets_[bucket - 1].count == kEntries) --bucket;
  return bucket;
}

// The gap is filled by the next entry that may stand there, and so on until a bucket that was not full.
void KeyIndex::Erase(Key key, std::uint64_t hash) {
  std::uint64_t gap = HomeOf(hash);
  std::uint32_t found;
  while ((found = Match(buckets_[gap], key)) == 0) {
    CHECK_EQ(buckets_[gap].count, kEntries) << "no key " << key << " to erase";
    ++gap;
  }
  --size_;
  const auto remove = [&](Bucket& bucket, std::uint32_t i) {
    const std::uint32_t last = bucket.count - 1u;
    bucket.keys[i] = bucket.keys[last];
    bucket.values[i] = bucket.values[last];
    const std::uint32_t mark = bucket.marks >> last & 1;
    bucket.marks = static_cast<std::uint8_t>((bucket.marks & ~(1u << i) & ~(1u << last)) | (i == last ? 0 : mark << i));
    bucket.count = static_cast<std::uint8_t>(last);
  };
  bool was_full = buckets_[gap].count == kEntries;
  remove(buckets_[gap], static_cast<std::uint32_t>(std::countr_zero(found)));
  for (std::uint64_t next = gap + 1; was_full; ++next) {
    Bucket& bucket = buckets_[next];
    const bool full = bucket.count == kEntries;
    for (std::uint32_t i = 0; i < bucket.count; ++i) {
      if (HomeOf(Mix(bucket.keys[i])) > gap) continue;
      Place(gap, bucket.keys[i], bucket.values[i], (bucket.marks >> i & 1) != 0);
      remove(bucket, i);
      gap = next;
      break;
    }
    was_full = full;
  }
}

}  // namespace sherd
