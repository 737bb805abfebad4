#include "worker/work.h"

#include <gtest/gtest.h>

#include <span>

namespace sherd {
namespace {

TEST(WorkPoolTest, UsesBuffersAgain) {
  WorkPool pool;
  WorkPtr work = pool.Take();
  work->gradients.resize(1);
  work->gradients[0].Resize(1000);
  work->ends_chunk = true;
  work->bad_rows = 3;
  const Work* const before = work.get();
  const float* const gradients = work->gradients[0].data();
  work.reset();
  work = pool.Take();
  EXPECT_EQ(work.get(), before);
  EXPECT_EQ(work->gradients[0].data(), gradients);
  EXPECT_FALSE(work->ends_chunk);
  EXPECT_EQ(work->bad_rows, 0u);
}

// A request that is sent again late must still say what it said first.
TEST(WorkPoolTest, KeepsAWorkWhoseFramesAreStillOnTheirWay) {
  WorkPool pool;
  WorkPtr work = pool.Take();
  work->keys.resize(1);
  work->keys[0].keys.Resize(8);
  Frame frame(std::as_bytes(work->keys[0].keys.span()), work);
  const Work* const before = work.get();
  work.reset();
  EXPECT_NE(pool.Take().get(), before);
  frame = Frame();
  EXPECT_EQ(pool.Take().get(), before);
}

// The values that a shard sent are let go of with the work, not with its next use.
TEST(WorkPoolTest, LetsGoOfReceivedFrames) {
  WorkPool pool;
  WorkPtr work = pool.Take();
  auto received = std::make_shared<std::string>("values");
  work->values.resize(2);
  work->values[1].emplace_back(std::as_bytes(std::span(*received)), received);
  work.reset();
  EXPECT_EQ(received.use_count(), 1);
}

TEST(WorkPoolTest, WorksMayOutliveTheirPool) {
  WorkPtr work;
  {
    WorkPool pool;
    work = pool.Take();
  }
  work->clock = 4;
  work.reset();
}

}  // namespace
}  // namespace sherd
