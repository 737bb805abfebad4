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

}  // namespace
}  // namespace sherd
