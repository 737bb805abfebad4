#include "ps/applied_minibatches.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "base/hash.h"

namespace sherd {
namespace {

TEST(AppliedMinibatches, AreThoseOfASetOfAllThatWereAdded) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    AppliedMinibatches applied;
    std::set<std::pair<std::uint64_t, std::uint32_t>> all;
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t draw = Mix(seed, i);
      const std::uint64_t chunk = draw % 3;
      const auto minibatch = static_cast<std::uint32_t>(draw / 8 % 64);
      applied.Add(chunk, minibatch);
      all.emplace(chunk, minibatch);
      const auto first = static_cast<std::uint32_t>(draw / 1024 % 64);
      const auto end = static_cast<std::uint32_t>(draw / 65536 % 70);
      std::uint32_t missing = first;
      while ((end == 0 || missing < end) && all.contains({chunk, missing})) ++missing;
      if (end == 0 || end > first) {
        ASSERT_EQ(applied.FirstMissing(chunk, first, end), missing);
      }
    }
    EXPECT_EQ(applied.chunks(), 3u);
    applied.Forget(1);
    EXPECT_EQ(applied.chunks(), 2u);
    EXPECT_EQ(applied.FirstMissing(1, 0, 0), 0u);
  }
}

TEST(AppliedMinibatches, AreFilledWhateverPartOfARangeIsThere) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    AppliedMinibatches applied;
    std::set<std::uint32_t> all;
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t draw = Mix(seed, i);
      const auto begin = static_cast<std::uint32_t>(draw % 64);
      const auto end = begin + static_cast<std::uint32_t>(draw / 64 % 8);
      applied.Fill(0, begin, end);
      for (std::uint32_t minibatch = begin; minibatch < end; ++minibatch) all.insert(minibatch);
      for (std::uint32_t first = 0; first < 72; ++first) {
        std::uint32_t missing = first;
        while (all.contains(missing)) ++missing;
        ASSERT_EQ(applied.FirstMissing(0, first, 0), missing);
      }
    }
  }
}

}  // namespace
}  // namespace sherd
