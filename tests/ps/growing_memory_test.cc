#include "ps/growing_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <cstring>
#include <thread>

namespace sherd {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20, kPage = 4096;

bool IsThere(const std::byte* address) {
  unsigned char there = 0;
  const auto page = reinterpret_cast<std::uintptr_t>(address) / kPage * kPage;
  return mincore(reinterpret_cast<void*>(page), kPage, &there) == 0 && (there & 1) != 0;
}

bool Comes(const std::byte* address) {
  for (int i = 0; i < 2000 && !IsThere(address); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return IsThere(address);
}

TEST(GrowingMemoryTest, KeepsItsContentsAndAddsZerosWhereverItMoves) {
  GrowingMemory memory;
  std::size_t before = 0;
  for (const std::size_t size : {std::size_t{10}, 100 * kPage, 20 * kMegabyte, 300 * kMegabyte}) {
    memory.Grow(size);
    ASSERT_EQ(memory.size(), size);
    EXPECT_EQ(memory.data()[before], std::byte{0});
    memory.data()[size - 1] = std::byte{42};
    if (before > 0) {
      EXPECT_EQ(memory.data()[before - 1], std::byte{42});
    }
    before = size;
  }
  memory.Grow(10);
  EXPECT_EQ(memory.size(), before) << "it never shrinks";
}

TEST(GrowingMemoryTest, WhatIsExpectedComesWithoutBeingTouched) {
  GrowingMemory memory;
  memory.Grow(100);
  memory.data()[99] = std::byte{42};
  memory.Expect(100 * kMegabyte);
  EXPECT_EQ(memory.size(), 100u);
  if (!Comes(memory.data() + 99 * kMegabyte)) GTEST_SKIP() << "a kernel before 5.14";
  EXPECT_FALSE(IsThere(memory.data() + 200 * kMegabyte)) << "more than was expected";
  EXPECT_EQ(memory.data()[99], std::byte{42});
  memory.Grow(100 * kMegabyte);
  EXPECT_EQ(memory.data()[50 * kMegabyte], std::byte{0});
}

TEST(GrowingMemoryTest, MayGoWhileItIsStillBeingAskedFor) {
  for (int i = 0; i < 5; ++i) {
    GrowingMemory memory;
    memory.Expect(200 * kMegabyte);
    memory.Grow(100 * kMegabyte);
    memory.data()[7] = std::byte{42};
    memory.Expect(300 * kMegabyte);
    EXPECT_EQ(memory.data()[7], std::byte{42});
  }
}

}  // namespace
}  // namespace sherd
