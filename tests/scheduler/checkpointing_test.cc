// Checkpoints of a whole job: when, full or delta, after failures, and what a resumed job makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Names of a checkpoint's files as its manifest has them.
std::vector<std::string> FilesOf(const std::string& dir) {
  std::vector<std::string> names;
  const auto manifest = OpenCheckpoint(dir);
  EXPECT_TRUE(manifest.ok()) << manifest.status().text();
  if (!manifest.ok()) return names;
  for (const proto::ShardFile& file : manifest->file()) names.push_back(file.name());
  return names;
}

TEST(Checkpointing, EachSoManyIsFullAndDeltasNameWhatTheyBuildOn) {
  FakeJob job(2, 2);
  job.train_chunks = 100;
  job.deltas = true;
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  job.options.job.mutable_checkpoint()->set_full_every(3);
  std::vector<std::vector<std::string>> files;
  job.on_checkpoint = [&](const std::string& dir) { files.push_back(FilesOf(dir)); };
  ASSERT_TRUE(job.Run().ok());
  ASSERT_GE(files.size(), 5u);
  EXPECT_THAT(files[0], ElementsAre("shard-0", "shard-1"));
  EXPECT_THAT(files[1],
              ElementsAre("../checkpoint-000001/shard-0", "shard-0", "../checkpoint-000001/shard-1", "shard-1"));
  EXPECT_THAT(files[2], ElementsAre("../checkpoint-000001/shard-0", "../checkpoint-000002/shard-0", "shard-0",
                                    "../checkpoint-000001/shard-1", "../checkpoint-000002/shard-1", "shard-1"));
  EXPECT_THAT(files[3], ElementsAre("shard-0", "shard-1"));
  EXPECT_THAT(files.back(), ElementsAre("shard-0", "shard-1")) << "the final one is whole by itself";
  EXPECT_EQ(ReadManifest(job.done.checkpoint)->version(), 2u);
}

TEST(Checkpointing, AllAreFullWhereDeltasAreNotAskedFor) {
  FakeJob job(1, 2);
  job.train_chunks = 60;
  job.deltas = true;
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  job.options.job.mutable_checkpoint()->set_full_every(1);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("shard-0"), Each("full"));
  EXPECT_GE(job.record.Of("shard-0").size(), 3u);
}

// One shard has written what never became a checkpoint: the next one can not build on that.
TEST(Checkpointing, AfterAFailureNothingBuildsOnWhatWasLost) {
  FakeJob job(2, 2);
  job.train_chunks = 200;
  job.deltas = true;
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  int checkpoints = 0;
  job.on_checkpoint = [&](const std::string& dir) {
    EXPECT_THAT(FilesOf(dir), Not(IsEmpty()));
    if (++checkpoints == 2) job.failing_writes = 1;
  };
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("disk full")));
  EXPECT_GE(checkpoints, 4);
  // The third attempt left nothing.
  EXPECT_FALSE(std::filesystem::exists(job.options.checkpoint_dir + "/checkpoint-000003"));
}

TEST(Checkpointing, WhereAFileIsGoneTheNextOneIsFull) {
  FakeJob job(1, 2);
  job.train_chunks = 100;
  job.deltas = true;
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  std::vector<std::vector<std::string>> files;
  job.on_checkpoint = [&](const std::string& dir) {
    files.push_back(FilesOf(dir));
    if (files.size() == 2) std::filesystem::remove_all(dir + "/../checkpoint-000001");
  };
  ASSERT_TRUE(job.Run().ok());
  ASSERT_GE(files.size(), 4u);
  EXPECT_THAT(files[1], SizeIs(2));
  EXPECT_THAT(files[2], ElementsAre("shard-0"));
}

TEST(Checkpointing, ComesEverySoManyMinutes) {
  FakeJob job(1, 2);
  job.train_chunks = 200;
  job.options.job.mutable_checkpoint()->set_every_minutes(0.001);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_GE(job.record.Of("checkpoint").size(), 4u);
}

TEST(Checkpointing, ARequestIsMetAtOnceAndTrainingGoesOn) {
  FakeJob job(1, 2);
  job.train_chunks = 100;
  bool asked = false;
  job.on_progress = [&] {
    if (!std::exchange(asked, true)) job.scheduler->RequestCheckpoint();
  };
  ASSERT_TRUE(job.Run().ok());
  ASSERT_THAT(job.record.Of("checkpoint"), SizeIs(2));
  const auto manifest = ReadManifest(job.record.Of("checkpoint")[0]);
  ASSERT_TRUE(manifest.ok());
  EXPECT_LT(manifest->state().rows(), 4000u);
  EXPECT_FALSE(manifest->state().finished());
  EXPECT_EQ(job.done.rows, 4000u);
}

TEST(Checkpointing, ARequestDuringAnEvaluationHasTheEpochsEnd) {
  FakeJob job(1, 2);
  job.eval_chunks = 4;
  job.options.job.mutable_train()->set_epochs(1);
  job.accuracy = {{1, 7}};
  job.scripts[0].before_result = [&](std::uint64_t) {
    job.scheduler->RequestCheckpoint();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  };
  ASSERT_TRUE(job.Run().ok());
  ASSERT_GE(job.record.Of("checkpoint").size(), 2u);
  const std::string dir = job.record.Of("checkpoint")[0];
  const auto manifest = ReadManifest(dir);
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->state().epoch(), 0u);
  EXPECT_EQ(manifest->state().best_epoch(), 0u) << "the epoch is not judged yet";
  EXPECT_EQ(manifest->state().rows(), 240u);
  EXPECT_THAT(manifest->state().chunk(), Each(testing::Property(&proto::ChunkPosition::done, true)));

  FakeJob resumed(1, 2);
  resumed.eval_chunks = 4;
  resumed.options = job.options;
  resumed.options.from_checkpoint = dir;
  resumed.options.manifest = *manifest;
  ASSERT_TRUE(resumed.Run().ok());
  EXPECT_THAT(resumed.record.Of("worker 0"), IsEmpty());
  EXPECT_EQ(resumed.done.best_epoch, 1u);
  EXPECT_EQ(resumed.done.rows, 240u);
}

TEST(Checkpointing, ARequestToAJobThatKeepsNoneIsAnswered) {
  FakeJob job(1, 2);
  job.train_chunks = 50;
  job.options.keep_checkpoints = false;
  job.on_progress = [&] { job.scheduler->RequestCheckpoint(); };
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("none is kept by this run")));
}

TEST(Checkpointing, AFolderThatVanishesCostsCheckpointsUntilItIsThereAgain) {
  FakeJob job(1, 2);
  job.train_chunks = 300;
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  const std::string dir = job.options.checkpoint_dir, away = dir + ".away";
  job.on_checkpoint = [&](const std::string&) {
    if (job.record.Of("checkpoint").size() != 1) return;
    std::filesystem::rename(dir, away);
    EXPECT_TRUE(WriteFileAtomically(dir, "a file").ok());
  };
  int failures = 0;
  job.on_message = [&](const std::string& text) {
    if (!text.starts_with("no checkpoint: ") || ++failures < 10) return;
    std::filesystem::remove(dir);
    std::filesystem::rename(away, dir);
  };
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(failures, 10);
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("10 in a row")));
  EXPECT_GE(job.most_failed, 1u);
  EXPECT_GE(job.record.Of("checkpoint").size(), 3u);
  EXPECT_EQ(job.done.rows, 12000u);
  EXPECT_TRUE(OpenCheckpoint(job.done.checkpoint).ok());
}

// A job with several checkpoints of 2 workers that was stopped: the newest is damaged, which only the shards can see.
TEST(Checkpointing, ADamagedOneIsPassedOverForTheOneBefore) {
  FakeJob job(1, 2);
  job.train_chunks = 100;
  job.options.job.mutable_checkpoint()->set_every_rows(500);
  job.on_checkpoint = [&](const std::string&) {
    if (job.record.Of("checkpoint").size() == 3) job.scheduler->RequestStop();  // once: the fourth is its last
  };
  ASSERT_EQ(job.Run().code(), ErrorCode::kStopped);
  const auto dirs = *CheckpointsIn(job.options.checkpoint_dir);
  ASSERT_THAT(dirs, SizeIs(2));

  FakeJob resumed(1, 2);
  resumed.train_chunks = 100;
  resumed.options = job.options;
  resumed.options.job.mutable_checkpoint()->set_every_rows(0);
  resumed.options.from_checkpoint = dirs[0];
  resumed.options.manifest = *ReadManifest(dirs[0]);
  resumed.options.fallbacks = {{.dir = dirs[1], .manifest = *ReadManifest(dirs[1])}};
  resumed.damaged = {dirs[0]};
  const std::uint64_t rows_before = resumed.options.fallbacks[0].manifest.state().rows();
  ASSERT_LT(rows_before, resumed.options.manifest.state().rows());
  ASSERT_TRUE(resumed.Run().ok());
  const auto happened = resumed.record.Of("shard 0");
  ASSERT_GE(happened.size(), 3u);
  EXPECT_EQ(happened[0], "load " + dirs[0]);
  EXPECT_EQ(happened[1], "load " + dirs[1]);
  EXPECT_EQ(happened[2], "start 0 at " + std::to_string(resumed.options.fallbacks[0].manifest.state().clock()));
  EXPECT_THAT(resumed.record.Of("message"), Contains(testing::AllOf(HasSubstr("block 3"), HasSubstr(dirs[1]))));
  EXPECT_EQ(resumed.done.rows, 4000u);
  // Of the two that are kept neither is the damaged one.
  EXPECT_TRUE(OpenCheckpoint(dirs[1]).ok());

  resumed.damaged = {dirs[0], dirs[1]};
  EXPECT_THAT(resumed.Run().text(), testing::AllOf(HasSubstr("restore checkpoint " + dirs[1]), HasSubstr("block 3")));
}

// Each minibatch once, whoever computes it.
TEST(Checkpointing, ResumesOnAnotherNumberOfWorkersWithTheExactMinibatches) {
  for (const auto consistency : {proto::Train::BSP, proto::Train::ASYNC}) {
    for (const std::uint32_t workers : {1u, 3u, 5u}) {
      FakeJob job(1, 2);
      job.train_chunks = 200;
      job.options.job.mutable_train()->set_consistency(consistency);
      bool asked = false;
      job.on_progress = [&] {
        if (!std::exchange(asked, true)) job.scheduler->RequestStop();
      };
      ASSERT_EQ(job.Run().code(), ErrorCode::kStopped);
      const std::string folder = *NewestCheckpoint(job.options.checkpoint_dir);
      const proto::Manifest manifest = *ReadManifest(folder);

      FakeJob resumed(1, workers);
      resumed.train_chunks = 200;
      resumed.options = job.options;
      resumed.options.workers = workers;
      resumed.options.from_checkpoint = folder;
      resumed.options.manifest = manifest;
      ASSERT_TRUE(resumed.Run().ok());
      std::uint64_t before = 0;
      std::set<std::string> expected, trained;
      for (const proto::ChunkPosition& position : manifest.state().chunk()) {
        before += position.minibatches() * kRows;
        if (!position.done()) {
          expected.insert("0/" + std::to_string(position.chunk().id()) + ":" + std::to_string(position.minibatches()));
        }
      }
      EXPECT_EQ(before, manifest.state().rows()) << "the cut's rows are those of its positions";
      std::size_t tasks = 0;
      for (std::uint32_t worker = 0; worker < workers; ++worker) {
        for (const std::string& task : resumed.record.Of("worker " + std::to_string(worker))) {
          trained.insert(task);
          ++tasks;
        }
      }
      EXPECT_EQ(trained, expected);
      EXPECT_EQ(tasks, trained.size());
      EXPECT_EQ(resumed.done.rows, 200u * kMinibatches * kRows);
    }
  }
}

TEST(Checkpointing, AWarmStartIsANewJobWithParts) {
  FakeJob job(2, 2);
  job.options.warm_start.set_dir("/other/checkpoint-000007");
  proto::LoadPart* part = job.options.warm_start.add_part();
  part->set_name("embedding");
  part->set_from("theirs");
  ASSERT_TRUE(job.Run().ok());
  for (const char* shard : {"shard 0", "shard 1"}) {
    const auto happened = job.record.Of(shard);
    ASSERT_GE(happened.size(), 3u);
    EXPECT_EQ(happened[0], "load /other/checkpoint-000007");
    EXPECT_EQ(happened[1], "load embedding from theirs");
    EXPECT_EQ(happened[2], "start 0 at 0");
  }
  EXPECT_EQ(job.done.rows, 240u);
}

TEST(Checkpointing, ShardsAreToldWhatIsKeptOnTheirOwnDisks) {
  FakeJob job(2, 2);
  job.options.job.mutable_checkpoint()->set_server_dir("/local");
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("shard 1"), Contains("prune"));
}

}  // namespace
}  // namespace sherd
