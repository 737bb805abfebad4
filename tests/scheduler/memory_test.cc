// A server whose tables have no room left, or that takes no pushes for a while; and what the tables take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"
#include "scheduler/table_sums.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

proto::Heartbeat Full(const std::string& text) {
  proto::Heartbeat beat;
  beat.set_full(text);
  return beat;
}

proto::Heartbeat Paused(const std::string& why) {
  proto::Heartbeat beat;
  beat.set_paused(why);
  return beat;
}

TEST(SchedulerMemory, AFullServerEndsTheJobWithACheckpointAndItsAdvice) {
  FakeJob job(2, 2);
  job.train_chunks = 100000;
  job.Beat(1, Full("shard 1: 96 % of its 2.0 GiB of memory_budget are used: table embedding 1.7 GiB; raise it"));
  const Status status = job.Run();
  EXPECT_EQ(status.code(), ErrorCode::kStopped);  // which ends in exit code 1
  for (const char* part : {"server 1 (rank 2", "table embedding 1.7 GiB; raise it; then go on by --resume",
                           "stopped in epoch 1", "; checkpoint: "}) {
    EXPECT_THAT(status.text(), HasSubstr(part));
  }
  const auto newest = NewestCheckpoint(job.options.checkpoint_dir);
  ASSERT_TRUE(newest.ok());
  EXPECT_TRUE(ReadManifest(*newest).ok());
}

// It says so in every heartbeat, which must not count as a second request: that would end the job without its
// checkpoint. Nor may it after a user's request.
TEST(SchedulerMemory, FullAfterARequestToStopDoesNotHurryIt) {
  FakeJob job(1, 2);
  job.train_chunks = 100000;
  job.on_progress = [&job] {
    if (job.record.Of("progress").size() == 2) job.scheduler->RequestStop();
    if (job.record.Of("progress").size() == 2) job.Beat(0, Full("shard 0: full"));
  };
  const Status status = job.Run();
  EXPECT_THAT(status.text(), HasSubstr("stopped on request"));
  EXPECT_THAT(status.text(), HasSubstr("; checkpoint: "));
}

TEST(SchedulerMemory, APauseIsToldOnceAndItsEndOnce) {
  FakeJob job(2, 2);
  job.train_chunks = 100;
  std::atomic<int> reports{0};
  job.on_progress = [&] {
    ++reports;
    if (reports == 1) job.Beat(1, Paused("shard 1: disk full in /x (0 B free)"));
    if (reports == 2) job.Beat(1, Paused("shard 1: disk full in /x (9 B free)"));
    if (reports == 3) job.Beat(1, {});
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  };
  job.train_chunks = 300;
  ASSERT_TRUE(job.Run().ok());
  ASSERT_GE(reports, 4);
  std::vector<std::string> told;
  for (const std::string& text : job.record.Of("message")) {
    if (text.find("pushes") != std::string::npos) told.push_back(text);
  }
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(told[0], testing::AllOf(HasSubstr("server 1 (rank 2"), HasSubstr("pushes wait: shard 1: disk full")));
  EXPECT_THAT(told[1], testing::EndsWith("pushes go on"));
}

TEST(SchedulerMemory, TablesAreSummedOverTheServers) {
  FakeJob job(3, 1);
  proto::TableStatus* const table = job.shard_status.add_table();
  table->set_name("embedding");
  table->set_rows(10);
  table->set_bytes(1000);
  table->set_evicted_rows(2);
  job.shard_status.add_table()->set_name("dense");
  ASSERT_TRUE(job.Run().ok());
  ASSERT_EQ(job.tables.size(), 2u);
  EXPECT_EQ(job.tables[0].name(), "embedding");
  EXPECT_EQ(job.tables[0].rows(), 30u);
  EXPECT_EQ(job.tables[0].bytes(), 3000u);
  EXPECT_EQ(job.tables[0].evicted_rows(), 6u);
  EXPECT_FALSE(job.tables[0].has_refused_key());
}

TEST(TableSums, TheLastRefusedKeyIsNoCount) {
  proto::ShardStatus first, second;
  first.add_table()->set_name("t");
  second = first;
  first.mutable_table(0)->set_refused_key(7);
  first.mutable_table(0)->set_refused_rows(1);
  second.mutable_table(0)->set_refused_key(9);
  second.mutable_table(0)->set_refused_rows(2);
  std::vector<proto::TableStatus> sums;
  AddTables(first, &sums);
  AddTables(second, &sums);
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_EQ(sums[0].refused_rows(), 3u);
  EXPECT_EQ(sums[0].refused_key(), 9u);
}

}  // namespace
}  // namespace sherd
