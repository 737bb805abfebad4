#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/manifest.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Ends a fifth of a second after the last file.
std::unique_ptr<FakeJob> FollowingJob(std::deque<std::uint64_t> coming_chunks) {
  auto job = std::make_unique<FakeJob>(1, 2);
  proto::Data* const data = job->options.job.mutable_data();
  data->mutable_follow()->set_files("in/*");
  data->mutable_follow()->set_look_every(.01);
  data->mutable_follow()->set_idle_seconds(.2);
  job->coming_chunks = std::move(coming_chunks);
  return job;
}

std::vector<std::string> AllTasks(const FakeJob& job) {
  std::vector<std::string> tasks = job.record.Of("worker 0");
  const std::vector<std::string> more = job.record.Of("worker 1");
  tasks.insert(tasks.end(), more.begin(), more.end());
  std::sort(tasks.begin(), tasks.end());
  return tasks;
}

TEST(Following, EachRoundHasWhatHasComeAndIdlenessEndsTheJob) {
  const auto job = FollowingJob({2, 0, 0, 3});
  ASSERT_TRUE(job->Run().ok());
  EXPECT_THAT(AllTasks(*job), ElementsAre("0/0:0", "0/1:0", "1/0:0", "1/1:0", "1/2:0"));
  EXPECT_EQ(job->done.rows, 5 * kMinibatches * kRows);
  EXPECT_THAT(job->record.Of("message"), Contains(HasSubstr("no new file in 0 s")));
  EXPECT_THAT(job->record.Of("period"), ElementsAre("200"));
}

TEST(Following, ComesAfterThePassesOverTheTrainingFiles) {
  const auto job = FollowingJob({1});
  job->options.job.mutable_data()->add_train("old");
  job->options.job.mutable_train()->set_epochs(2);
  job->train_chunks = 1;
  ASSERT_TRUE(job->Run().ok());
  EXPECT_THAT(AllTasks(*job), ElementsAre("0/0:0", "1/0:0", "2/0:0"));
  EXPECT_THAT(job->record.Of("period"), ElementsAre("40"));  // of the files that came alone
}

TEST(Following, AStopWhileItWaitsLeavesACheckpointThatKnowsTheFiles) {
  const auto job = FollowingJob({2, 1});
  job->options.job.mutable_data()->mutable_follow()->set_idle_seconds(0);
  job->on_progress = [&] {
    if (job->record.Of("epoch").size() == 1) job->scheduler->RequestStop();
  };
  // The last report of the second round comes at its end.
  const Status status = job->Run();
  EXPECT_EQ(status.code(), ErrorCode::kStopped);
  const auto manifest = OpenCheckpoint(JoinPath(job->options.checkpoint_dir, "checkpoint-000001"));
  ASSERT_TRUE(manifest.ok()) << manifest.status().text();
  EXPECT_THAT(manifest->state().followed().name(), ElementsAre("file-0", "file-1"));
  EXPECT_EQ(manifest->state().followed().files(), 2u);

  const auto rest = FollowingJob({1});
  rest->options.from_checkpoint = JoinPath(job->options.checkpoint_dir, "checkpoint-000001");
  rest->options.manifest = *manifest;
  ASSERT_TRUE(rest->Run().ok());
  EXPECT_EQ(rest->done.rows, 4 * kMinibatches * kRows);
}

TEST(Following, WhatWasTrainedIsWrittenWhileItWaits) {
  const auto job = FollowingJob({1});
  job->options.job.mutable_data()->mutable_follow()->set_idle_seconds(0);
  job->options.job.mutable_checkpoint()->set_every_minutes(.005);
  job->on_checkpoint = [&](const std::string&) { job->scheduler->RequestStop(); };
  const Status status = job->Run();
  EXPECT_EQ(status.code(), ErrorCode::kStopped);
  EXPECT_THAT(job->record.Of("checkpoint"), ::testing::Not(::testing::IsEmpty()));
}

}  // namespace
}  // namespace sherd
