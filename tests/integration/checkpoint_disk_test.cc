// A whole job in this process, on a disk that fails at one call or another, or whose power is cut between two: training
// goes on, and what --resume would find is whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "launch/embedded.h"
#include "launch/job_request.h"
#include "launch/signal_watch.h"
#include "scheduler/checkpoint_folders.h"
#include "tests/base/faulty_file_system.h"
#include "tests/integration/checkpoint_folder.h"
#include "tests/integration/job_run.h"
#include "tests/testing/volatile_disk.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace fs = std::filesystem;

class CheckpointDiskTest : public ::testing::Test {
 protected:
  CheckpointDiskTest() : test_("adult_deepfm") {
    test_.Shorten(600);
    proto::Job& job = test_.job();
    job.mutable_data()->clear_test();
    job.mutable_model()->mutable_tower()->clear_hidden();
    job.mutable_model()->mutable_tower()->add_hidden(8);
    job.mutable_train()->set_consistency(proto::Train::BSP);
    job.mutable_train()->set_max_in_flight(1);
    job.mutable_train()->set_batch_size(64);
    job.mutable_train()->set_epochs(7);
    job.mutable_evaluation()->clear_patience();
    job.mutable_evaluation()->set_restore_best(false);
    job.mutable_cluster()->set_servers(2);
    job.mutable_cluster()->set_workers(2);
    job.mutable_checkpoint()->set_dir(checkpoints());
    job.mutable_checkpoint()->set_every_rows(100);
    job.mutable_checkpoint()->set_keep(2);
    job.mutable_checkpoint()->set_full_every(3);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_BLOCK, &none, &signals_);
  }
  ~CheckpointDiskTest() override { sigprocmask(SIG_SETMASK, &signals_, nullptr); }

  std::string checkpoints() const { return test_.Path("checkpoints"); }

  Status Train(bool resume = false) {
    fs::create_directory(checkpoints());
    JobRequest request;
    request.job_file = test_.Write();
    request.resume = resume;
    request.metrics = test_.Path("metrics");
    SignalWatch signals(/*watch_parent=*/false, [](const std::string&) { std::abort(); });
    return RunEmbedded(request, &signals);
  }

  // Lines of the metrics file that tell of an event.
  std::vector<std::string> Events(const std::string& event) {
    std::vector<std::string> lines;
    for (const std::string& line : Lines(ReadOrDie(test_.Path("metrics")))) {
      if (line.find("\"event\":\"" + event + "\"") != std::string::npos) lines.push_back(line);
    }
    return lines;
  }

  // What is on the disk when all is well.
  std::string Undisturbed() {
    const Status trained = Train();
    CHECK(trained.ok()) << trained.text();
    const std::string contents = CheckpointContents(checkpoints());
    fs::remove_all(checkpoints());
    return contents;
  }

  void ExpectClean() {
    const Status clean = CheckNothingLeftBehind(checkpoints());
    EXPECT_TRUE(clean.ok()) << clean.text();
  }

  TestJob test_;
  sigset_t signals_;
};

// The number of the last checkpoint that the job has told of.
std::uint64_t NumberIn(const std::vector<std::string>& events) {
  if (events.empty()) return 0;
  const std::string& line = events.back();
  return CheckpointNumber(line.substr(line.find("checkpoint-"), std::string("checkpoint-000001").size()));
}

TEST_F(CheckpointDiskTest, WhenThePowerIsCutWhatWasToldOfIsThere) {
  fs::create_directory(checkpoints());
  const std::string left = test_.Path("left");
  VolatileDisk disk(checkpoints());
  int changes = 0;
  disk.before_change = [&] {
    ++changes;
    if (HasFailure()) return;
    const std::uint64_t told = NumberIn(Events("checkpoint"));
    // Of the eight ways in which the disk may have been early, three at each change, in turns.
    for (int k = 0; k < 3; ++k) {
      const int i = (3 * changes + k) % 8;
      disk.CutPower(left, {.contents = (i & 1) != 0, .added = (i & 2) != 0, .removed = (i & 4) != 0});
      const Result<std::uint64_t> found = ReadCheckpoints(left);
      EXPECT_TRUE(found.ok()) << found.status().text() << ", before change " << changes << ", written early: " << i;
      EXPECT_GE(found.ok() ? *found : told, told) << "before change " << changes << ", written early: " << i;
    }
  };
  {
    const FileSystemReplacement replacement(&disk);
    const Status trained = Train();
    ASSERT_TRUE(trained.ok()) << trained.text();
  }
  EXPECT_GE(Events("checkpoint").size(), 5);
  EXPECT_GT(changes, 100);
  ExpectClean();
}

TEST_F(CheckpointDiskTest, WhicheverCallFailsTrainingGoesOnAndTheNextCheckpointIsTried) {
  const std::string undisturbed = Undisturbed();
  int told = 0;
  for (std::int64_t call = 0, calls = 1; call < calls; call += 7) {
    SCOPED_TRACE("call " + std::to_string(call));
    FaultyFileSystem files;
    files.fail_at = call;
    files.error = call % 2 == 0 ? ENOSPC : EACCES;
    Status trained;
    {
      const FileSystemReplacement replacement(&files);
      trained = Train();
    }
    calls = files.calls();
    const auto failures = Events("checkpoint_failed");
    if (!failures.empty()) {
      ++told;
      EXPECT_THAT(failures, Contains(AllOf(HasSubstr(checkpoints()), HasSubstr(std::strerror(files.error)))));
    }
    if (!trained.ok()) {
      EXPECT_THAT(trained.text(), AllOf(HasSubstr("final checkpoint"), HasSubstr(checkpoints())));
      trained = Train(/*resume=*/true);
    }
    ASSERT_TRUE(trained.ok()) << trained.text();
    EXPECT_TRUE(CheckpointContents(checkpoints()) == undisturbed);
    // What the last pruning could not remove goes with the next.
    if (files.refused_removal()) {
      EXPECT_TRUE(CheckpointFolders(checkpoints()).Prune({.keep = 1}).ok());
    }
    ExpectClean();
    fs::remove_all(checkpoints());
  }
  EXPECT_GT(told, 5);
}

TEST_F(CheckpointDiskTest, ADiskThatStaysFullCostsTheCheckpointsAndNothingElse) {
  const std::string undisturbed = Undisturbed();
  FaultyFileSystem files;
  files.room = 150'000;
  {
    const FileSystemReplacement replacement(&files);
    const Status trained = Train();
    EXPECT_THAT(trained.text(),
                AllOf(HasSubstr("final checkpoint"), HasSubstr(checkpoints()), HasSubstr("No space left on device")));
  }
  EXPECT_THAT(Events("checkpoint"), Not(IsEmpty())) << "there was room for none";
  EXPECT_EQ(ReadCheckpoints(checkpoints()).value(), NumberIn(Events("checkpoint")));
  EXPECT_THAT(Events("checkpoint_failed"), Contains(HasSubstr("No space left on device")));
  EXPECT_THAT(Events("epoch"), Contains(HasSubstr("\"epoch\":7,")));
  ExpectClean();
  ASSERT_TRUE(Train(/*resume=*/true).ok());
  EXPECT_TRUE(CheckpointContents(checkpoints()) == undisturbed);
  ExpectClean();
}

TEST_F(CheckpointDiskTest, AFolderThatVanishesIsMadeAnew) {
  const std::string undisturbed = Undisturbed();
  for (int after = 1; after < 6; ++after) {
    std::atomic<bool> over = false;
    std::thread remover([&] {
      // The job's first words come before its first checkpoint.
      fs::remove(test_.Path("metrics"));
      while (!over) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (fs::exists(test_.Path("metrics")) && Events("checkpoint").size() >= static_cast<std::size_t>(after)) break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(after));
      std::error_code ignored;  // the job makes files in it meanwhile
      fs::remove_all(checkpoints(), ignored);
    });
    const Status trained = Train();
    over = true;
    remover.join();
    fs::remove_all(checkpoints());
    EXPECT_TRUE(trained.ok()) << trained.text();
  }
}

}  // namespace
}  // namespace sherd
