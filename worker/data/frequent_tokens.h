#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace sherd {

// The most frequent tokens of a column, by 1024 counters: Misra and Gries 1982, which is Space-Saving with the smallest
// count taken off all (Agarwal et al. 2012, who also show how to merge). A token's count is at most its true one, and
// at least that less error(), which never exceeds 2 / 1024 of all: no token that is more frequent is missed. While
// there have been at most 1024 different tokens all counts are exact. Equal calls, merges among them, make equal
// counters. Thread-compatible.
class FrequentTokens {
 public:
  static constexpr std::size_t kCounters = 1024;
  static constexpr std::size_t kTextBytes = 31;

  struct Counter {
    Key key;
    std::uint64_t count;
    std::uint8_t length;
    std::array<char, kTextBytes> bytes;  // the token's first ones
    std::string_view text() const { return {bytes.data(), length}; }
  };

  FrequentTokens() { Clear(); }

  // Tokens are told apart by their hashes; the text is for people.
  void Add(Key key, std::string_view text) {
    if (Counter* const known = Find(key)) {
      ++known->count;
    } else {
      Insert(key, text);
    }
  }
  void Merge(const FrequentTokens& other);

  // How far below its true count any count may be.
  std::uint64_t error() const { return error_; }
  // In descending order of their counts, then by key; at most so many.
  std::vector<Counter> Top(std::size_t most = kCounters) const;
  // The inner state is Top() and error(). False when it is none.
  bool Restore(std::span<const Counter> counters, std::uint64_t error);

 private:
  static constexpr int kSlotBits = 12;  // four a counter: runs are short
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;

  static std::size_t SlotOf(Key key) { return key * 0x9e3779b97f4a7c15ull >> (64 - kSlotBits); }
  Counter* Find(Key key) {
    for (std::size_t slot = SlotOf(key); slots_[slot] != 0; slot = (slot + 1) % kSlots) {
      Counter& counter = counters_[slots_[slot] - 1];
      if (counter.key == key) return &counter;
    }
    return nullptr;
  }
  void Insert(Key key, std::string_view text);
  void TakeOff(std::uint64_t count);
  void Clear();
  void Index();

  std::vector<Counter> counters_;
  std::vector<std::uint16_t> slots_;  // 1 + index in counters_; 0: free
  std::uint64_t error_ = 0;
};

}  // namespace sherd
