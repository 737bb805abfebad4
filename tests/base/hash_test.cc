#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/partition.h"

namespace sherd {
namespace {

// Golden values: a change of any of them makes every checkpoint unreadable and every run another one.

TEST(Hash, MixIsTheFinalizerOfSplitMix64) {
  // The published first outputs of SplitMix64 seeded with 0.
  EXPECT_EQ(Mix(0x9e3779b97f4a7c15ull), 0xe220a8397b1dcdafull);
  EXPECT_EQ(Mix(2 * 0x9e3779b97f4a7c15ull), 0x6e789e6aa1b965f4ull);
  EXPECT_EQ(Mix(3 * 0x9e3779b97f4a7c15ull), 0x06c45d188009454full);
  EXPECT_EQ(Mix(0), 0u);
}

TEST(Hash, MixOfSeveralDependsOnEachAndOnTheirOrder) {
  EXPECT_EQ(Mix(0, 0), Mix(0x9e3779b97f4a7c15ull));
  EXPECT_EQ(Mix(1, 2, 3), Mix(Mix(1, 2), 3));
  EXPECT_EQ(Mix(1, 2, 3, 4), Mix(Mix(Mix(1, 2), 3), 4));
  std::set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 16; ++a) {
    for (std::uint64_t b = 0; b < 16; ++b) {
      for (std::uint64_t c = 0; c < 16; ++c) seen.insert(Mix(a, b, c));
    }
  }
  EXPECT_EQ(seen.size(), 16u * 16 * 16);
}

TEST(Hash, MixChangesHalfOfTheBitsForEachBitOfItsInput) {
  for (int bit = 0; bit < 64; ++bit) {
    int flipped = 0;
    for (std::uint64_t x = 1; x <= 200; ++x) {
      flipped += __builtin_popcountll(Mix(x * 0x123456789abcdefull) ^ Mix((x * 0x123456789abcdefull) ^ (1ull << bit)));
    }
    EXPECT_NEAR(flipped / 200.0, 32, 2) << "input bit " << bit;
  }
}

TEST(Hash, HashBytesIsXxh3) {
  EXPECT_EQ(HashBytes(""), 0x2d06800538d394c2ull);
  EXPECT_EQ(HashBytes("a"), 0xe6c632b61e964e1full);
  EXPECT_EQ(HashBytes("abc"), 0x78af5f94892f3950ull);
  EXPECT_NE(HashBytes("abc", 1), HashBytes("abc"));
}

TEST(Hash, KeysOfOneTokenInTwoFieldsDiffer) {
  const std::uint64_t user = HashBytes("user"), item = HashBytes("item");
  EXPECT_NE(TokenKey(user, "5"), TokenKey(item, "5"));
  EXPECT_NE(IntegerKey(user, 5), IntegerKey(item, 5));
  EXPECT_NE(CrossKey(user, 1, 2), CrossKey(user, 2, 1));
}

TEST(Hash, UnitNumbersStayBelowOne) {
  EXPECT_EQ(UnitFloat(0), 0.0f);
  EXPECT_EQ(UnitFloat(~0ull), 1.0f - 0x1p-24f);
  EXPECT_EQ(UnitDouble(~0ull), 1.0 - 0x1p-53);
  EXPECT_EQ(Below(~0ull, 10), 9u);
  EXPECT_EQ(Below(0, 10), 0u);
  EXPECT_EQ(Below(~0ull, 1), 0u);
}

// Bit by bit, from the definition: the reflected polynomial 0x82f63b78.
std::uint32_t SlowCrc32c(std::string_view text) {
  std::uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Crc32c, MatchesTheStandardsCheckValue) {
  EXPECT_EQ(Crc32c(Bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c({}), 0u);
}

TEST(Crc32c, MatchesTheDefinitionAtEveryLengthAndAlignment) {
  std::string text(100, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(Mix(i + 1));
  for (std::size_t first = 0; first < 8; ++first) {
    for (std::size_t length = 0; first + length <= text.size(); ++length) {
      const auto part = std::string_view(text).substr(first, length);
      ASSERT_EQ(Crc32c(Bytes(part)), SlowCrc32c(part)) << first << " " << length;
    }
  }
}

TEST(Crc32c, MatchesTheDefinitionInLongTexts) {
  std::string text(20'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(Mix(i + 1));
  for (const std::size_t length : {255, 256, 257, 511, 512, 1024, 3071, 3072, 3073, 6144, 7000, 20'000}) {
    const auto part = std::string_view(text).substr(20'000 - length);
    EXPECT_EQ(Crc32c(Bytes(part)), SlowCrc32c(part)) << length;
    const std::uint32_t before = SlowCrc32c(text);
    const std::uint32_t by_instruction = crc32c::ByInstruction(Bytes(part), before);
    EXPECT_EQ(by_instruction, SlowCrc32c(text + std::string(part))) << length;
    if (!crc32c::HasVectors()) continue;
    EXPECT_EQ(crc32c::ByVectors(Bytes(part), before), by_instruction) << length;
  }
}

TEST(Crc32c, OfTwoTextsFollowsFromThatOfEach) {
  std::string text;
  for (int i = 0; i < 30000; ++i) text += static_cast<char>(i * 131 >> 3);
  const std::string_view all = text;
  for (const std::size_t length : {0, 1, 7, 100, 4096, 29999, 30000}) {
    for (const std::size_t cut : {std::size_t{0}, length / 3, length}) {
      const std::uint32_t first = Crc32c(Bytes(all.substr(0, cut)));
      const std::uint32_t second = Crc32c(Bytes(all.substr(cut, length - cut)));
      EXPECT_EQ(Crc32cOfBoth(first, second, length - cut), Crc32c(Bytes(all.substr(0, length))))
          << cut << " " << length;
    }
  }
}

TEST(Crc32c, GoesOnFromAPart) {
  const std::string_view text = "a checkpoint is written in pieces";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(Bytes(text.substr(cut)), Crc32c(Bytes(text.substr(0, cut)))), Crc32c(Bytes(text)));
  }
}

TEST(Partition, SlotIsTheTopOfTheMixedKey) {
  EXPECT_EQ(SlotOf(0x9e3779b97f4a7c15ull), 0xe22u);
  EXPECT_EQ(SlotOf(2 * 0x9e3779b97f4a7c15ull), 0x6e7u);
  EXPECT_EQ(SlotOf(0), 0u);
}

TEST(Partition, ShardsDivideAllSlotsEvenlyWithoutGaps) {
  for (std::uint32_t shards = 1; shards <= 100; ++shards) {
    EXPECT_EQ(FirstSlot(0, shards), 0u);
    EXPECT_EQ(FirstSlot(shards, shards), kSlots);
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      const Slot first = FirstSlot(shard, shards), end = FirstSlot(shard + 1, shards);
      EXPECT_GE(end - first, kSlots / shards) << shard << " of " << shards;
      EXPECT_LE(end - first, kSlots / shards + 1) << shard << " of " << shards;
      for (Slot slot = first; slot < end; ++slot) ASSERT_EQ(ShardOfSlot(slot, shards), shard) << slot;
    }
  }
}

TEST(Partition, SequentialKeysSpreadOverTheSlots) {
  constexpr int kKeysASlot = 64;
  std::vector<int> count(kSlots);
  for (Key key = 0; key < kSlots * kKeysASlot; ++key) ++count[SlotOf(key)];
  double chi_squared = 0;
  for (const int n : count) chi_squared += (n - kKeysASlot) * (n - kKeysASlot) / double{kKeysASlot};
  // Of 4095 degrees of freedom: mean 4095, standard deviation 90.5.
  EXPECT_NEAR(chi_squared, kSlots - 1, 5 * 90.5);
}

}  // namespace
}  // namespace sherd
