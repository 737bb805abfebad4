#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SchedulerFaults, RepeatedRequestsCountOnce) {
  FakeJob job(1, 2);
  for (WorkerScript& script : job.scripts) script.send_twice = true;
  job.test_chunks = 3;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.record.Of("worker 0").size() + job.record.Of("worker 1").size(), 6u);
  EXPECT_EQ(job.done.rows, 240u);
  ASSERT_EQ(job.evaluations.size(), 1u);
  EXPECT_EQ(job.evaluations[0].rows, 30u);
}

TEST(SchedulerFaults, MalformedMessagesHarmNothing) {
  FakeJob job(1, 2);
  job.scripts[1].garbage = true;
  job.test_chunks = 3;
  job.options.job.mutable_checkpoint()->set_every_rows(100);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.rows, 240u);
  EXPECT_EQ(job.evaluations.back().rows, 30u);
  EXPECT_THAT(job.record.Of("refused"), IsEmpty());
}

TEST(SchedulerFaults, WhoDoesNotRegisterIsNamed) {
  FakeJob job(1, 2);
  job.options.job.mutable_cluster()->set_request_timeout(0.5);
  job.scripts[1].missing = true;
  const Status status = job.Run();
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(status.text(), HasSubstr("worker 1 (rank 3)"));
  EXPECT_THAT(status.text(), testing::Not(HasSubstr("worker 0")));
  // Those who were there are told.
  EXPECT_THAT(job.record.Of("refused"), Contains(HasSubstr("the job has ended: not registered")));
}

TEST(SchedulerFaults, TheLastWorkersDeathIsTheJobs) {
  FakeJob job(1, 2);
  job.train_chunks = 100000;  // it would last
  job.scripts[0].silent_after_tasks = 1;
  job.options.job.mutable_cluster()->set_heartbeat_timeout(0.5);
  job.scripts[1].silent_after_tasks = 2;
  const Status status = job.Run();
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(status.text(), HasSubstr("worker 1 (rank 3, process 1001 on host host1), last at: task 2"));
  EXPECT_THAT(status.text(), HasSubstr("no worker is left"));
  EXPECT_EQ(job.record.Of("shard 0").back(), "stop");
}

TEST(SchedulerFaults, AFailureOfARankIsTheJobs) {
  FakeJob job(1, 2);
  job.train_chunks = 100000;
  job.scripts[0].fails_after_tasks = 3;
  const Status status = job.Run();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.text(), HasSubstr("worker 0 (rank 2"));
  EXPECT_THAT(status.text(), HasSubstr("the loss is not a number"));
  EXPECT_EQ(job.record.Of("shard 0").back(), "stop");
}

TEST(SchedulerFaults, TooManyBadRowsEndTheJobNamingTheFirst) {
  FakeJob job(1, 2);
  job.train_chunks = 100000;
  job.scripts[1].bad_rows = 5;  // of 15 read
  const Status status = job.Run();
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), HasSubstr("rows read are bad"));
  EXPECT_THAT(status.text(), HasSubstr("train.txt:7: I1: integer expected"));
  EXPECT_EQ(job.record.Of("bad row").size(), 1u);
}

TEST(SchedulerFaults, AFewRowsAreJudgedAtTheEndOfTheEpoch) {
  FakeJob job(1, 1);
  job.train_chunks = 1;
  job.scripts[0].bad_rows = 5;
  const Status status = job.Run();
  EXPECT_EQ(status.code(), ErrorCode::kBadData);
  EXPECT_THAT(status.text(), HasSubstr("20 of 60 rows"));
}

TEST(SchedulerFaults, ACutThatAWorkerIsTooLateForIsTriedAgain) {
  FakeJob job(1, 2);
  job.train_chunks = 100;
  job.options.job.mutable_train()->set_consistency(proto::Train::BSP);
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  job.scripts[1].late_cuts = 2;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("worker 1 (rank 3, process 1001 on host host1) was past")));
  EXPECT_GE(job.record.Of("checkpoint").size(), 2u);
  EXPECT_EQ(job.done.rows, 4000u);
}

// Shards hold pushes from an abandoned cut to the next one, so a folder that can not be made must not keep that away.
TEST(SchedulerFaults, AnAbandonedCutIsTriedAgainThoughNoFolderCanBeMade) {
  FakeJob job(1, 2);
  job.train_chunks = 100;
  job.options.job.mutable_train()->set_consistency(proto::Train::BSP);
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  job.scripts[1].late_cuts = 1;
  std::vector<std::string> in_the_way;
  job.on_message = [&](const std::string& text) {
    const bool tries = text.ends_with("; trying again"), tried = text.ends_with("in the same folder");
    if (tries && in_the_way.empty()) {
      // After the highest number there is comes 0, whose name is a file's.
      for (const char* name : {"checkpoint-18446744073709551615", "checkpoint-000000"}) {
        in_the_way.push_back(JoinPath(job.options.checkpoint_dir, name));
        ASSERT_TRUE(WriteFileAtomically(in_the_way.back(), "").ok());
      }
    }
    if (tried) {
      for (const std::string& path : in_the_way) ASSERT_TRUE(RemoveTree(path).ok());
    }
  };
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("trying again in the same folder")));
  ASSERT_FALSE(job.record.Of("checkpoint").empty());
  EXPECT_THAT(job.record.Of("checkpoint")[0], HasSubstr("checkpoint-000001"));
  EXPECT_EQ(job.done.rows, 4000u);
}

TEST(SchedulerFaults, AShardThatCanNotWriteCostsACheckpointNotTheTraining) {
  FakeJob job(2, 2);
  job.train_chunks = 100;
  job.options.job.mutable_checkpoint()->set_every_rows(1000);
  job.failing_writes = 1;
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("disk full")));
  EXPECT_EQ(job.done.rows, 4000u);
  EXPECT_TRUE(ReadManifest(job.done.checkpoint).ok());
}

TEST(SchedulerFaults, AJobWithoutItsFinalCheckpointHasFailed) {
  FakeJob job(1, 2);
  job.failing_writes = 1;
  const Status status = job.Run();
  EXPECT_THAT(status.text(), HasSubstr("the final checkpoint"));
  EXPECT_THAT(status.text(), HasSubstr("disk full"));
  EXPECT_FALSE(NewestCheckpoint(job.options.checkpoint_dir).ok());
}

TEST(SchedulerFaults, NoRowsToTrainOn) {
  FakeJob job;
  job.train_chunks = 0;
  EXPECT_THAT(job.Run().text(), HasSubstr("no rows"));
}

TEST(SchedulerFaults, ADamagedChunkQueueIsRefused) {
  FakeJob job;
  job.options.from_checkpoint = "/some/checkpoint-000001";
  job.options.manifest.mutable_state()->add_chunk()->mutable_chunk()->set_id(9);
  EXPECT_THAT(job.Run().text(), HasSubstr("chunk 9"));
}

}  // namespace
}  // namespace sherd
