#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/worker/pipeline_rig.h"

namespace sherd {
namespace {

using testing::kBatch;
using testing::Rig;
using testing::TinyModel;

// Whichever thread is first, pushes go in the order of the clocks, which the rates tell, and nothing is lost.
TEST(PipelineTest, SeveralThreadsComputeAndPushesStayInOrder) {
  constexpr std::uint64_t kMinibatches = 200;
  Rig rig({.max_in_flight = 6,
           .compute_threads = 4,
           .gradient = TinyModel::Gradient::kCount,
           .warmup_clocks = kMinibatches});
  rig.Train(0, 0, kMinibatches * kBatch);
  ASSERT_TRUE(rig.EndEpoch()) << rig.pipeline->status().text();
  const proto::Progress progress = rig.pipeline->TakeProgress();
  rig.Stop();
  EXPECT_EQ(progress.rows(), kMinibatches * kBatch);
  for (auto& shard : rig.shards) {
    EXPECT_EQ(shard->applied_rows, kMinibatches * kBatch);
    EXPECT_EQ(shard->scales.size(), kMinibatches);
    EXPECT_TRUE(std::is_sorted(shard->scales.begin(), shard->scales.end()));
    EXPECT_LE(shard->largest_lead, 6u);
  }
  ASSERT_EQ(progress.stage_size(), 4);
  EXPECT_EQ(progress.stage(3).name(), "compute");
  EXPECT_EQ(progress.stage(3).threads(), 4u);
}

// Each second of a stage is worked or waited, and who has nothing to do says for whom it waits.
TEST(PipelineTest, StagesTellWhereTheirTimeGoes) {
  const auto begin = std::chrono::steady_clock::now();
  Rig rig({});
  ASSERT_TRUE(rig.WaitFor([&] {  // until all threads are there
    const proto::Progress begun = rig.pipeline->TakeProgress();
    return std::ranges::all_of(begun.stage(), [](const proto::StageTime& time) { return time.waited_for_input() > 0; });
  }));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const proto::Progress idle = rig.pipeline->TakeProgress();
  const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  ASSERT_EQ(idle.stage_size(), 4);
  const std::vector<std::string> names = {"read", "keys", "exchange", "compute"};
  for (int i = 0; i < 4; ++i) {
    const proto::StageTime& time = idle.stage(i);
    EXPECT_EQ(time.name(), names[static_cast<std::size_t>(i)]);
    EXPECT_GE(time.waited_for_input(), 0.15) << time.name();
    const double all = time.worked() + time.waited_for_input() + time.waited_for_output();
    EXPECT_GE(all, 0.199) << time.name();
    EXPECT_LE(all, passed) << time.name();
    EXPECT_LE(time.cpu(), time.worked() + 0.05);
  }
}

// How long each shard took for its answers to pushes, so that a slow one can be named.
TEST(PipelineTest, TellsHowLongShardsTake) {
  constexpr std::uint64_t kMinibatches = 10;
  Rig rig({.shards = 2, .faults = {.slow_shard = 1, .slow = std::chrono::milliseconds(20)}});
  rig.Train(0, 0, kMinibatches * kBatch);
  ASSERT_TRUE(rig.EndEpoch()) << rig.pipeline->status().text();
  const proto::Progress progress = rig.pipeline->TakeProgress(), later = rig.pipeline->TakeProgress();
  ASSERT_EQ(progress.shard_size(), 2);
  for (const proto::AnswerTime& time : progress.shard()) EXPECT_EQ(time.answers(), kMinibatches);
  EXPECT_GE(progress.shard(1).seconds(), 0.020 * kMinibatches);
  EXPECT_GT(progress.shard(0).seconds(), 0);
  for (const proto::AnswerTime& time : later.shard()) EXPECT_EQ(time.seconds(), 0) << "each counts once";
}

}  // namespace
}  // namespace sherd
