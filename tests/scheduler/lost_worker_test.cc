// A worker that falls silent is an event, not the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/manifest.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LostWorker : public testing::TestWithParam<proto::Train::Consistency> {
 protected:
  void Prepare(FakeJob* job) const {
    job->options.job.mutable_train()->set_consistency(GetParam());
    job->options.job.mutable_cluster()->set_heartbeat_timeout(1);
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, LostWorker, testing::Values(proto::Train::ASYNC, proto::Train::BSP),
                         [](const auto& info) { return proto::Train::Consistency_Name(info.param); });

TEST_P(LostWorker, ItsWorkIsDoneByTheOthers) {
  FakeJob job(2, 3);
  Prepare(&job);
  job.train_chunks = 200;
  job.scripts[1].silent_after_minibatches = 9;  // in its third chunk
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("worker 1 (rank 4, process 1001 on host host1), last at")));
  EXPECT_THAT(job.record.Of("shard 0"), Contains("fence 1 below incarnation 2"));
  EXPECT_EQ(job.done.rows, 200u * kMinibatches * kRows);
  ASSERT_EQ(job.files.size(), 1u);
  EXPECT_EQ(job.files[0].trained, 200u * kMinibatches * kRows);
  EXPECT_EQ(job.files[0].read, 200u * kMinibatches * kRows);
  EXPECT_EQ(job.files[0].repeated, 0u);
  EXPECT_THAT(job.record.Of("epoch"), ElementsAre(HasSubstr("1 rows 8000")));
}

// The others have been told that the epoch is over for them, and have retired.
TEST_P(LostWorker, TheEpochGoesOnForThoseWhoHadEnded) {
  FakeJob job(1, 3);
  Prepare(&job);
  job.train_chunks = 3;
  job.options.job.mutable_train()->set_epochs(2);
  job.scripts[2].silent_after_minibatches = 1;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.rows, 2u * 3 * kMinibatches * kRows);
  EXPECT_THAT(job.record.Of("epoch"), ElementsAre(HasSubstr("1 rows 120"), HasSubstr("2 rows 120")));
}

TEST_P(LostWorker, WhatSomeShardsHaveIsComputedAgainForTheOthers) {
  FakeJob job(2, 2);
  Prepare(&job);
  job.train_chunks = 4;
  job.scripts[1].silent_after_minibatches = 1;
  job.applied = [](std::uint32_t shard, const proto::ChunkRange& range) {
    return range.first_minibatch() + (shard == 0 ? 1 : 3);
  };
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.rows, 4u * kMinibatches * kRows);
  EXPECT_THAT(job.record.Of("applied"), ElementsAre("2", "4"));
  EXPECT_EQ(job.files[0].repeated, 2u * kRows);
}

TEST_P(LostWorker, ACheckpointWaitsUntilShardsHaveTheSameAgain) {
  FakeJob job(2, 3);
  Prepare(&job);
  job.train_chunks = 800;
  job.options.job.mutable_checkpoint()->set_every_rows(1000);
  job.scripts[0].silent_after_minibatches = 30;
  std::atomic<int> fences = 0;
  job.applied = [&](std::uint32_t shard, const proto::ChunkRange& range) {
    ++fences;
    return range.first_minibatch() + shard;
  };
  bool wrong = false;
  job.on_checkpoint = [&](const std::string& dir) {
    const auto manifest = ReadManifest(dir);
    if (manifest->state().chunk().empty()) return;  // the last one: there is no epoch
    std::uint64_t rows = 0;
    for (const auto& position : manifest->state().chunk()) rows += position.rows();
    wrong |= rows != manifest->state().rows();
  };
  ASSERT_TRUE(job.Run().ok());
  EXPECT_GT(fences, 0);
  EXPECT_FALSE(wrong);
  EXPECT_GE(job.record.Of("checkpoint").size(), 2u);
  EXPECT_EQ(job.done.rows, 800u * kMinibatches * kRows);
}

TEST_P(LostWorker, AStopWhileItsWorkIsUnsettledHasItsCheckpoint) {
  FakeJob job(2, 2);
  Prepare(&job);
  job.train_chunks = 3000;
  job.scripts[1].silent_after_minibatches = 5;
  job.applied = [](std::uint32_t shard, const proto::ChunkRange& range) { return range.first_minibatch() + shard; };
  job.on_message = [&](const std::string& text) {
    if (text.starts_with("lost")) job.scheduler->RequestStop();
  };
  const Status stopped = job.Run();
  EXPECT_EQ(stopped.code(), ErrorCode::kStopped) << stopped.text();
  EXPECT_THAT(stopped.text(), HasSubstr("checkpoint: "));
}

TEST_P(LostWorker, AnEvaluationIsFinishedWithoutIt) {
  FakeJob job(1, 2);
  Prepare(&job);
  job.train_chunks = 2;
  job.test_chunks = 40;
  job.scripts[1].before_result = [](std::uint64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(2500)); };
  ASSERT_TRUE(job.Run().ok());
  ASSERT_EQ(job.evaluations.size(), 1u);
  EXPECT_EQ(job.evaluations[0].rows, 400u);
}

// Its system has failed it, not the job: the disk with its copy of the data, say.
TEST_P(LostWorker, WhoReportsAFailureOfItsOwnIsLostAtOnce) {
  FakeJob job(2, 3);
  Prepare(&job);
  job.train_chunks = 200;
  job.scripts[1].fails_after_tasks = 3;
  job.scripts[1].own_failure = "read /data/7: Input/output error";
  job.scripts[1].send_twice = true;  // the second report is heard like the first
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"),
              Contains("failed: worker 1 (rank 4, process 1001 on host host1): read /data/7: Input/output error; the "
                       "others take over its work"));
  EXPECT_THAT(job.record.Of("shard 0"), Contains("fence 1 below incarnation 2"));
  EXPECT_EQ(job.done.rows, 200u * kMinibatches * kRows);
  EXPECT_EQ(job.files[0].trained, 200u * kMinibatches * kRows);
}

TEST_P(LostWorker, WhatASecondOneMeetsTooIsTheJobs) {
  FakeJob job(1, 3);
  Prepare(&job);
  job.train_chunks = 100000;
  for (const int worker : {0, 2}) {
    job.scripts[worker].fails_after_tasks = 2 + worker;
    job.scripts[worker].own_failure = "read /data/7: Input/output error";
  }
  const Status status = job.Run();
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), HasSubstr("read /data/7: Input/output error; so had worker "));
}

TEST_P(LostWorker, WhenAllHaveFailedTheJobHas) {
  FakeJob job(1, 2);
  Prepare(&job);
  job.train_chunks = 100000;
  job.scripts[0].fails_after_tasks = 2;
  job.scripts[0].own_failure = "read /data/3: Input/output error";
  job.scripts[1].fails_after_tasks = 4;
  job.scripts[1].own_failure = "read /data/5: Input/output error";
  const Status status = job.Run();
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), HasSubstr("Input/output error; no worker is left"));
}

TEST_P(LostWorker, WhoComesBackLateIsToldSoAndHarmsNothing) {
  FakeJob job(1, 2);
  Prepare(&job);
  job.train_chunks = 1000;
  job.scripts[1].stalls_after_tasks = 2;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("refused"), Contains(HasSubstr("taken for lost")));
  EXPECT_EQ(job.done.rows, 1000u * kMinibatches * kRows);
}

}  // namespace
}  // namespace sherd
