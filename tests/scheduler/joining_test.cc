// Workers that come while a job runs, and workers that leave it in an orderly way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::uint64_t kOfChunk = std::uint64_t{kMinibatches} * kRows;

TEST(Joining, AWorkerThatJoinsIsDealtChunksOfTheSameEpoch) {
  FakeJob job(2, 1);
  job.train_chunks = 300;
  job.scripts.resize(2);
  job.scripts[1].joins = true;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains("worker 1 (joined, process 1001 on host host1) has joined"));
  EXPECT_THAT(job.record.Of("worker 1"), Contains(HasSubstr("0/")));
  EXPECT_EQ(job.done.rows, 300 * kOfChunk);
  ASSERT_THAT(job.files, SizeIs(1));
  EXPECT_EQ(job.files[0].trained, 300 * kOfChunk);
  EXPECT_EQ(job.files[0].repeated, 0u);
}

TEST(Joining, ItEvaluatesToo) {
  FakeJob job(1, 1);
  job.train_chunks = 2;
  job.eval_chunks = 200;
  job.scripts.resize(2);
  job.scripts[1].joins = true;
  std::atomic<int> evaluated = 0;
  job.scripts[1].before_result = [&](std::uint64_t) { ++evaluated; };
  ASSERT_TRUE(job.Run().ok());
  EXPECT_GT(evaluated, 0);
  ASSERT_THAT(job.evaluations, SizeIs(1));
  EXPECT_EQ(job.evaluations[0].rows, 2000u);
}

TEST(Joining, InBspItIsRefusedAndTheJobGoesOn) {
  FakeJob job(1, 1);
  job.train_chunks = 100;
  job.options.job.mutable_train()->set_consistency(proto::Train::BSP);
  job.scripts.resize(2);
  job.scripts[1].joins = true;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("refused"), Contains(HasSubstr("no worker can join a job with consistency BSP")));
  EXPECT_EQ(job.done.rows, 100 * kOfChunk);
}

TEST(Joining, ItIsLostLikeAnyOther) {
  FakeJob job(1, 1);
  job.train_chunks = 600;
  job.options.job.mutable_cluster()->set_heartbeat_timeout(1);
  job.scripts.resize(2);
  job.scripts[1].joins = true;
  job.scripts[1].silent_after_tasks = 0;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("lost (no heartbeat for 1 s): worker 1 (joined")));
  EXPECT_EQ(job.done.rows, 600 * kOfChunk);
}

class Leaving : public testing::TestWithParam<proto::Train::Consistency> {};

INSTANTIATE_TEST_SUITE_P(Modes, Leaving, testing::Values(proto::Train::ASYNC, proto::Train::BSP),
                         [](const auto& info) { return proto::Train::Consistency_Name(info.param); });

TEST_P(Leaving, AWorkerEndsWhatItHoldsAndTheOthersGoOn) {
  FakeJob job(2, 2);
  job.train_chunks = 100;
  job.options.job.mutable_train()->set_consistency(GetParam());
  job.options.job.mutable_train()->set_epochs(2);
  job.scripts[1].leaves_after_tasks = 3;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("worker 1"), SizeIs(3));
  EXPECT_THAT(job.record.Of("refused"), IsEmpty());
  EXPECT_THAT(job.record.Of("message"),
              Contains("worker 1 (rank 4, process 1001 on host host1) has left; the others go on"));
  EXPECT_THAT(job.record.Of("shard 0"), Contains("fence 1 below incarnation 2"));
  EXPECT_EQ(job.done.rows, 200 * kOfChunk);
  EXPECT_EQ(job.files[0].repeated, 0u);
}

TEST_P(Leaving, TheLastOneStays) {
  FakeJob job(1, 1);
  job.options.job.mutable_train()->set_consistency(GetParam());
  job.scripts[0].leaves_after_tasks = 1;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Not(Contains(HasSubstr("has left"))));
  EXPECT_EQ(job.done.rows, 6 * kOfChunk);
}

}  // namespace
}  // namespace sherd
