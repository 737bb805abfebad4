#include "worker/data/frequent_tokens.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <unordered_map>

namespace sherd {
namespace {

// The first bytes of a text, without the beginning of a character that does not fit.
std::size_t CutLength(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  std::size_t length = most;
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  return length > 0 ? length : most;
}

// The n-th largest count, from 0.
std::uint64_t CountAt(const std::vector<FrequentTokens::Counter>& counters, std::size_t n) {
  std::vector<std::uint64_t> counts;
  counts.reserve(counters.size());
  for (const FrequentTokens::Counter& counter : counters) counts.push_back(counter.count);
  std::nth_element(counts.begin(), counts.begin() + n, counts.end(), std::greater<>());
  return counts[n];
}

}  // namespace

void FrequentTokens::Clear() {
  counters_.clear();
  counters_.reserve(kCounters);
  slots_.assign(kSlots, 0);
  error_ = 0;
}

void FrequentTokens::Index() {
  std::fill(slots_.begin(), slots_.end(), 0);
  for (std::size_t i = 0; i < counters_.size(); ++i) {
    std::size_t slot = SlotOf(counters_[i].key);
    while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
    slots_[slot] = static_cast<std::uint16_t>(i + 1);
  }
}

// The classic algorithm takes 1 off all counters whenever there is none left; taking off their median frees half at
// once, so that a token costs a constant time, and each unit of error still stands for 512 tokens.
void FrequentTokens::Insert(Key key, std::string_view text) {
  if (counters_.size() == kCounters) TakeOff(CountAt(counters_, kCounters / 2));
  Counter& counter = counters_.emplace_back();
  counter.key = key;
  counter.count = 1;
  counter.length = static_cast<std::uint8_t>(CutLength(text, kTextBytes));
  std::memcpy(counter.bytes.data(), text.data(), counter.length);
  std::size_t slot = SlotOf(key);
  while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
  slots_[slot] = static_cast<std::uint16_t>(counters_.size());
}

void FrequentTokens::TakeOff(std::uint64_t count) {
  std::erase_if(counters_, [count](const Counter& counter) { return counter.count <= count; });
  for (Counter& counter : counters_) counter.count -= count;
  error_ += count;
  Index();
}

void FrequentTokens::Merge(const FrequentTokens& other) {
  std::unordered_map<Key, std::size_t> own;
  for (std::size_t i = 0; i < counters_.size(); ++i) own.emplace(counters_[i].key, i);
  for (const Counter& counter : other.counters_) {
    const auto known = own.find(counter.key);
    if (known != own.end()) {
      counters_[known->second].count += counter.count;
    } else {
      counters_.push_back(counter);
    }
  }
  error_ += other.error_;
  if (counters_.size() > kCounters) return TakeOff(CountAt(counters_, kCounters));
  Index();
}

std::vector<FrequentTokens::Counter> FrequentTokens::Top(std::size_t most) const {
  std::vector<Counter> top = counters_;
  std::sort(top.begin(), top.end(),
            [](const Counter& a, const Counter& b) { return a.count != b.count ? a.count > b.count : a.key < b.key; });
  if (top.size() > most) top.resize(most);
  return top;
}

bool FrequentTokens::Restore(std::span<const Counter> counters, std::uint64_t error) {
  if (counters.size() > kCounters) return false;
  Clear();
  counters_.assign(counters.begin(), counters.end());
  error_ = error;
  Index();
  return true;
}

}  // namespace sherd
