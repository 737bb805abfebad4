#include "scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <filesystem>

#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"
#include "tests/scheduler/fake_job.h"

namespace sherd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Scheduler, AnEpochHandsOutEveryChunkOnceAndEndsEveryone) {
  FakeJob job(2, 3);
  job.options.job.mutable_train()->set_epochs(2);
  ASSERT_TRUE(job.Run().ok());
  auto tasks = Joined(Joined(job.record.Of("worker 0"), job.record.Of("worker 1")), job.record.Of("worker 2"));
  std::sort(tasks.begin(), tasks.end());
  EXPECT_THAT(tasks, ElementsAre("0/0:0", "0/1:0", "0/2:0", "0/3:0", "0/4:0", "0/5:0", "1/0:0", "1/1:0", "1/2:0",
                                 "1/3:0", "1/4:0", "1/5:0"));
  EXPECT_THAT(job.record.Of("epoch"), ElementsAre("1 rows 240 loss 0.500000", "2 rows 240 loss 0.500000"));
  EXPECT_EQ(job.done.rows, 480u);
  EXPECT_EQ(job.done.epochs, 2u);
  for (const char* shard : {"shard 0", "shard 1"}) EXPECT_EQ(job.record.Of(shard).back(), "stop");
}

TEST(Scheduler, BspDealsByWorkerAndAllGoOnFromOneClock) {
  FakeJob job(1, 2);
  job.train_chunks = 5;
  job.options.keep_checkpoints = false;
  job.options.job.mutable_train()->set_epochs(2);
  job.options.job.mutable_train()->set_consistency(proto::Train::BSP);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("worker 0"), ElementsAre("0/0:0", "0/2:0", "0/4:0", "1/0:0", "1/2:0", "1/4:0"));
  EXPECT_THAT(job.record.Of("worker 1"), ElementsAre("0/1:0", "0/3:0", "1/1:0", "1/3:0"));
  // Worker 0 had three chunks of four clocks.
  EXPECT_THAT(job.record.Of("shard 0"), ElementsAre("start 0 at 0", "start 1 at 12", "stop"));
}

TEST(Scheduler, MoreWorkersThanChunks) {
  FakeJob job(1, 4);
  job.train_chunks = 2;
  job.options.job.mutable_train()->set_consistency(proto::Train::BSP);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.rows, 80u);
}

TEST(Scheduler, TheBestEpochIsRestoredAndTested) {
  FakeJob job;
  job.eval_chunks = job.test_chunks = 2;
  job.accuracy = {{1, 6}, {2, 9}, {3, 7}, {4, 8}};
  job.options.job.mutable_train()->set_epochs(4);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.best_epoch, 2u);
  EXPECT_EQ(job.done.epochs, 4u);
  EXPECT_DOUBLE_EQ(job.done.eval.at("accuracy"), 0.9);
  EXPECT_DOUBLE_EQ(job.done.test.at("accuracy"), 0.9);  // of the restored weights, not of the last
  ASSERT_THAT(job.evaluations, SizeIs(5));
  EXPECT_TRUE(job.evaluations[1].best);
  EXPECT_FALSE(job.evaluations[2].best);
  const auto manifest = ReadManifest(job.done.checkpoint);
  ASSERT_TRUE(manifest.ok());
  EXPECT_TRUE(manifest->state().finished());
  EXPECT_EQ(manifest->state().epoch(), 4u);
  EXPECT_EQ(manifest->state().best_epoch(), 2u);
  EXPECT_EQ(*NewestCheckpoint(job.options.checkpoint_dir), job.done.checkpoint);
}

TEST(Scheduler, NothingIsRestoredWhenTheLastIsTheBest) {
  FakeJob job;
  job.eval_chunks = 1;
  job.accuracy = {{1, 6}, {2, 9}};
  job.options.job.mutable_train()->set_epochs(2);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("shard 0"),
              ElementsAre("start 0 at 0", "cut", testing::StartsWith("start 1"), "cut", "stop"));
}

TEST(Scheduler, ThePrivateFolderOfAJobThatKeepsNothingIsGone) {
  FakeJob job;
  job.eval_chunks = 1;
  job.accuracy = {{1, 9}, {2, 6}};
  job.options.keep_checkpoints = false;
  job.options.job.mutable_train()->set_epochs(2);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("shard 0"), Contains(HasSubstr("load")));
  EXPECT_DOUBLE_EQ(job.done.eval.at("accuracy"), 0.9);
  EXPECT_EQ(job.done.checkpoint, "");
  EXPECT_THAT(job.record.Of("checkpoint"), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(job.options.checkpoint_dir));
}

TEST(Scheduler, StopsEarlyAndLowersTheRateOnAPlateau) {
  FakeJob job;
  job.eval_chunks = 1;
  job.accuracy = {{1, 9}, {2, 8}, {3, 8}, {4, 8}};
  job.options.job.mutable_train()->set_epochs(10);
  job.options.job.mutable_evaluation()->set_patience(2);
  job.options.job.mutable_train()->mutable_learning_rate()->set_plateau_factor(0.5);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.epochs, 3u);
  EXPECT_EQ(job.done.best_epoch, 1u);
  EXPECT_THAT(job.record.Of("message"), Contains(HasSubstr("stopped early")));
  const auto rates = job.record.Of("rate");
  EXPECT_EQ(rates.front(), "1.000000");
  EXPECT_EQ(rates.back(), "0.500000");
}

TEST(Scheduler, WhatHasStoppedEarlyGoesOnOnlyWithMorePatience) {
  FakeJob job;
  job.eval_chunks = 1;
  job.accuracy = {{1, 9}, {2, 8}, {3, 8}};
  job.options.job.mutable_train()->set_epochs(10);
  job.options.job.mutable_evaluation()->set_patience(2);
  ASSERT_TRUE(job.Run().ok());
  ASSERT_EQ(job.done.epochs, 3u);
  const proto::Manifest manifest = *ReadManifest(job.done.checkpoint);
  for (const std::uint32_t patience : {2u, 3u}) {
    FakeJob resumed;
    resumed.eval_chunks = 1;
    resumed.options = job.options;
    resumed.options.job.mutable_evaluation()->set_patience(patience);
    resumed.options.from_checkpoint = job.done.checkpoint;
    resumed.options.manifest = manifest;
    ASSERT_TRUE(resumed.Run().ok());
    EXPECT_EQ(resumed.done.epochs, patience + 1);  // the fourth is no gain either
    EXPECT_THAT(resumed.record.Of("epoch"), SizeIs(patience - 2));
    EXPECT_EQ(resumed.done.best_epoch, 1u);
  }
}

TEST(Scheduler, TheTestSetChoosesTheEpochOnlyWhereItIsAskedTo) {
  FakeJob job;
  job.test_chunks = 1;
  job.accuracy = {{1, 9}, {2, 6}};
  job.options.job.mutable_train()->set_epochs(2);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.best_epoch, 0u);
  EXPECT_DOUBLE_EQ(job.done.test.at("accuracy"), 0.6);
  job.evaluations.clear();
  job.options.job.mutable_evaluation()->set_test_each_epoch(true);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_EQ(job.done.best_epoch, 1u);
  EXPECT_DOUBLE_EQ(job.done.test.at("accuracy"), 0.9);
  EXPECT_THAT(job.evaluations, SizeIs(3));
}

TEST(Scheduler, PredictionsComeInTheOrderOfTheInput) {
  FakeJob job(1, 2);
  job.test_chunks = 40;
  job.options.mode = SchedulerOptions::Mode::kPredict;
  // Worker 0 answers for its first chunk only when worker 1 has run into the end of the window.
  std::mutex mutex;
  std::condition_variable moved;
  int others = 0;
  job.scripts[0].before_result = [&](std::uint64_t chunk) {
    std::unique_lock lock(mutex);
    if (chunk < 2) moved.wait_for(lock, std::chrono::seconds(5), [&] { return others >= 8; });
  };
  job.scripts[1].before_result = [&](std::uint64_t) {
    const std::lock_guard lock(mutex);
    ++others;
    moved.notify_all();
  };
  ASSERT_TRUE(job.Run().ok());
  ASSERT_EQ(job.predictions.size(), 400u);
  for (std::size_t i = 0; i < 400; ++i) {
    if (i % 10 == 3) {
      EXPECT_TRUE(std::isnan(job.predictions[i]));
    } else {
      EXPECT_FLOAT_EQ(job.predictions[i], 1 / (1 + std::exp(-static_cast<float>(i) / 100)));
    }
  }
  EXPECT_EQ(job.done.rows, 400u);
  EXPECT_THAT(job.record.Of("finished"), ElementsAre("400"));
}

TEST(Scheduler, PredictionsThatCanNotBeFinishedAreNotDone) {
  FakeJob job;
  job.test_chunks = 2;
  job.options.mode = SchedulerOptions::Mode::kPredict;
  job.finish = Status(ErrorCode::kIo, "disk full");
  EXPECT_THAT(job.Run().text(), HasSubstr("write predictions: disk full"));
  EXPECT_THAT(job.record.Of("done"), IsEmpty());
}

TEST(Scheduler, EvaluatesACheckpointOnTheTestSet) {
  FakeJob job;
  job.test_chunks = 3;
  job.options.mode = SchedulerOptions::Mode::kEvaluate;
  job.options.from_checkpoint = "/some/checkpoint-000003";
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("shard 0"), ElementsAre("load /some/checkpoint-000003", "stop"));
  EXPECT_DOUBLE_EQ(job.done.test.at("accuracy"), 0.5);
  EXPECT_EQ(job.done.rows, 30u);
}

TEST(Scheduler, ComparesTwoCheckpointsOnTheSameRows) {
  FakeJob job(1, 2);
  job.eval_chunks = 40;
  job.test_chunks = 30;
  job.version_of = {{"/some/good", 1}, {"/some/bad", 2}};
  job.accuracy = {{1, 9}, {2, 6}};
  job.options.mode = SchedulerOptions::Mode::kEvaluate;
  job.options.from_checkpoint = "/some/good";
  job.options.against = "/some/bad";
  job.options.job.mutable_evaluation()->set_bootstrap(200);
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("shard 0"), ElementsAre("load /some/good", "load /some/bad", "stop"));
  ASSERT_THAT(job.evaluations, SizeIs(2));
  EXPECT_LT(job.evaluations[1].intervals.at("accuracy").low, 0.9);
  EXPECT_GT(job.evaluations[1].intervals.at("accuracy").high, 0.9);
  ASSERT_THAT(job.comparisons, SizeIs(2));
  EXPECT_EQ(job.comparisons[1].set, proto::Chunk::TEST);
  EXPECT_EQ(job.comparisons[1].groups, 300u);
  EXPECT_DOUBLE_EQ(job.comparisons[1].metrics.at("accuracy"), 0.6);
  const PairedDifference accuracy = job.comparisons[1].differences.at("accuracy");
  EXPECT_NEAR(accuracy.difference, 0.3, 1e-12);
  EXPECT_GT(accuracy.interval.low, 0.2);
  EXPECT_LT(accuracy.p, 0.02);
  EXPECT_DOUBLE_EQ(job.done.test.at("accuracy"), 0.9) << "what was asked about, not what it is compared with";
}

TEST(Scheduler, CalibrationTablesAreToldWhereAskedFor) {
  FakeJob job;
  job.test_chunks = 3;
  job.options.mode = SchedulerOptions::Mode::kEvaluate;
  job.options.from_checkpoint = "/some/checkpoint";
  job.options.job.mutable_evaluation()->set_calibration_buckets(2);
  ASSERT_TRUE(job.Run().ok());
  ASSERT_THAT(job.evaluations, SizeIs(1));
  EXPECT_THAT(job.evaluations[0].intervals, IsEmpty());
  ASSERT_THAT(job.evaluations[0].calibration, SizeIs(2));
  EXPECT_NEAR(job.evaluations[0].calibration[1].predicted, 1 / (1 + std::exp(-1.0)), 1e-6);
}

TEST(Scheduler, EvaluatesBothSetsWhereThereAreBoth) {
  FakeJob job;
  job.eval_chunks = 2;
  job.test_chunks = 3;
  job.options.mode = SchedulerOptions::Mode::kEvaluate;
  job.options.from_checkpoint = "/some/checkpoint-000003";
  ASSERT_TRUE(job.Run().ok());
  ASSERT_THAT(job.evaluations, SizeIs(2));
  EXPECT_EQ(job.evaluations[0].set, proto::Chunk::EVAL);
  EXPECT_EQ(job.evaluations[1].set, proto::Chunk::TEST);
  EXPECT_DOUBLE_EQ(job.done.eval.at("accuracy"), 0.5);
  EXPECT_DOUBLE_EQ(job.done.test.at("accuracy"), 0.5);
  EXPECT_EQ(job.done.rows, 50u);
}

TEST(Scheduler, NothingToEvaluateIsSaid) {
  FakeJob job;
  job.options.mode = SchedulerOptions::Mode::kEvaluate;
  EXPECT_THAT(job.Run().text(), HasSubstr("neither test nor eval data"));
}

TEST(Scheduler, CheckpointsEverySoManyRowsKeepTheNewest) {
  FakeJob job(2, 2);
  job.train_chunks = 60;
  job.options.job.mutable_checkpoint()->set_every_rows(300);
  ASSERT_TRUE(job.Run().ok());
  const auto made = job.record.Of("checkpoint");
  ASSERT_GE(made.size(), 3u);
  EXPECT_TRUE(ReadManifest(made.back()).ok());
  EXPECT_TRUE(ReadManifest(made[made.size() - 2]).ok());
  EXPECT_FALSE(ReadManifest(made[made.size() - 3]).ok());
  const auto manifest = ReadManifest(made[made.size() - 2]);
  ASSERT_TRUE(manifest.ok());
  ASSERT_EQ(manifest->file_size(), 2);
  EXPECT_EQ(manifest->file(1).name(), "shard-1");
  EXPECT_EQ(manifest->state().chunk_size(), 60);
  EXPECT_FALSE(manifest->state().finished());
}

// Stop in the middle, resume, and look at what was trained: each minibatch once, in BSP by the same worker.
TEST(Scheduler, ResumesWhereItWasStopped) {
  for (const auto consistency : {proto::Train::BSP, proto::Train::ASYNC}) {
    FakeJob job(1, 2);
    job.train_chunks = 300;
    job.options.job.mutable_train()->set_consistency(consistency);
    bool asked = false;  // a second request would end it at once
    job.on_progress = [&] {
      if (!std::exchange(asked, true)) job.scheduler->RequestStop();
    };
    const Status stopped = job.Run();
    ASSERT_EQ(stopped.code(), ErrorCode::kStopped) << stopped.text();
    ASSERT_THAT(stopped.text(), HasSubstr("checkpoint: "));
    const std::string folder = *NewestCheckpoint(job.options.checkpoint_dir);
    const auto manifest = ReadManifest(folder);
    ASSERT_TRUE(manifest.ok());
    EXPECT_THAT(stopped.text(), HasSubstr("in epoch 1 after " + std::to_string(manifest->state().rows()) + " rows;"));
    std::uint64_t minibatches = 0;
    for (const auto& position : manifest->state().chunk()) minibatches += position.minibatches();
    EXPECT_GT(minibatches, 0u);
    EXPECT_LT(minibatches, 300u * kMinibatches);

    FakeJob resumed(1, 2);
    resumed.train_chunks = 300;
    resumed.options = job.options;
    resumed.options.from_checkpoint = folder;
    resumed.options.manifest = *manifest;
    ASSERT_TRUE(resumed.Run().ok());
    EXPECT_THAT(resumed.record.Of("shard 0"), Contains("load " + folder));
    EXPECT_THAT(resumed.record.Of("shard 0"), Contains("start 0 at " + std::to_string(manifest->state().clock())));
    for (std::uint32_t worker = 0; worker < 2; ++worker) {
      for (const std::string& task : resumed.record.Of("worker " + std::to_string(worker))) {
        const std::uint64_t id = std::stoull(task.substr(2));
        const auto& position = manifest->state().chunk(static_cast<int>(id));
        EXPECT_FALSE(position.done()) << task;
        EXPECT_EQ(task, "0/" + std::to_string(id) + ":" + std::to_string(position.minibatches()));
        if (consistency == proto::Train::BSP) {
          EXPECT_EQ(id % 2, worker);
        }
      }
    }
    // What the two runs trained, counted by the minibatches that the checkpoint holds.
    std::uint64_t rest = 0;
    for (const auto& position : manifest->state().chunk()) rest += kMinibatches - position.minibatches();
    EXPECT_EQ(resumed.done.rows - manifest->state().rows(), rest * kRows);
  }
}

TEST(Scheduler, AWorkerIsGivenTheFilesOfItsHostFirst) {
  FakeJob job(1, 2);
  job.train_chunks = 40;
  job.train_files = 4;
  proto::FileHost* place = job.options.job.mutable_data()->add_file_host();
  place->set_file("file [13]");
  place->set_host("host1");
  ASSERT_TRUE(job.Run().ok());
  const auto tasks = job.record.Of("worker 1");
  ASSERT_GE(tasks.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(std::stoull(tasks[i].substr(2)) % 2, 1u) << tasks[i];
  ASSERT_EQ(job.files.size(), 4u);
  for (const FileRows& file : job.files) EXPECT_EQ(file.trained, 10u * kMinibatches * kRows) << file.file;
}

// As when the stop came between an epoch's last row and its verdict.
TEST(Scheduler, AnEpochWithoutRowsHasNoLoss) {
  FakeJob job;
  job.train_chunks = 2;
  job.options.from_checkpoint = "/some/checkpoint-000001";
  for (std::uint64_t id = 0; id < 2; ++id) {
    proto::ChunkPosition* position = job.options.manifest.mutable_state()->add_chunk();
    position->mutable_chunk()->set_id(id);
    position->mutable_chunk()->set_end(kMinibatches * kRows);
    position->set_minibatches(kMinibatches);
    position->set_done(true);
  }
  ASSERT_TRUE(job.Run().ok());
  EXPECT_THAT(job.record.Of("epoch"), ElementsAre("1 rows 0 loss nan"));
}

TEST(Scheduler, AFinishedCheckpointGoesOnWithTheNextEpoch) {
  FakeJob job;
  ASSERT_TRUE(job.Run().ok());
  FakeJob more;
  more.options = job.options;
  more.options.from_checkpoint = job.done.checkpoint;
  more.options.manifest = *ReadManifest(job.done.checkpoint);
  more.options.job.mutable_train()->set_epochs(2);
  ASSERT_TRUE(more.Run().ok());
  EXPECT_THAT(more.record.Of("epoch"), ElementsAre(HasSubstr("2 rows 240")));
  EXPECT_EQ(more.done.rows, 480u);
}

}  // namespace
}  // namespace sherd
