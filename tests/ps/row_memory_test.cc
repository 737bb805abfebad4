#include "ps/row_memory.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sherd {
namespace {

std::vector<std::byte> RowOf(std::uint32_t number, std::size_t bytes) {
  std::vector<std::byte> row(bytes);
  for (std::size_t i = 0; i < bytes; ++i) row[i] = static_cast<std::byte>(number * 31 + i * 7);
  return row;
}

TEST(RowMemoryTest, RowsOfAnySizeKeepTheirBytesWhileOthersCome) {
  for (const std::uint32_t weights : {4u, 12u, 64u, 68u, 256u}) {
    for (const std::uint32_t rest : {0u, 4u, 8u, 132u}) {
      RowMemory memory(weights, rest);
      for (std::uint32_t i = 0; i < 1000; ++i) {
        ASSERT_EQ(memory.Take(), i);
        memory.Write(RowOf(i, weights + rest).data(), i);
      }
      for (std::uint32_t i = 0; i < 1000; ++i) {
        std::vector<std::byte> row(weights + rest);
        memory.Read(i, row.data());
        ASSERT_EQ(row, RowOf(i, weights + rest)) << weights << " and " << rest << ", row " << i;
      }
      EXPECT_EQ(memory.bytes(), 1000u * (weights + rest));
    }
  }
}

TEST(RowMemoryTest, WeightsOfALineAreAlignedToOneWhateverTheirStateTakes) {
  for (const std::uint32_t rest : {0u, 4u, 68u}) {
    RowMemory memory(64, rest);
    for (std::uint32_t i = 0; i < 100; ++i) memory.Take();
    for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.Weights(i)) % 64, 0u);
  }
}

TEST(RowMemoryTest, FreedRowsAreUsedAgainTheLastFirst) {
  RowMemory memory(8, 4);
  for (std::uint32_t i = 0; i < 20; ++i) memory.Take();
  memory.Free(3), memory.Free(17);
  EXPECT_EQ(memory.free_rows(), 2u);
  EXPECT_EQ(memory.BytesAfter(3), 21u * 12);
  EXPECT_EQ(memory.Take(), 17u);
  EXPECT_EQ(memory.Take(), 3u);
  EXPECT_EQ(memory.Take(), 20u);
}

}  // namespace
}  // namespace sherd
