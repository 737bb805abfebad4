#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <thread>

#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"
#include "tests/integration/job_run.h"
#include "worker/data/click_log/file.h"

namespace sherd {
namespace {

constexpr std::uint64_t kFileRows = 20000;

// A job on files of the generated click log that come while it runs.
class FollowTest : public ::testing::Test {
 protected:
  FollowTest() : test_("criteo_deepfm"), log_(ClickLog::Make({.scale = .01}).value()) {
    std::filesystem::create_directory(test_.Path("in"));
    proto::Job& job = test_.job();
    job.mutable_data()->clear_train();
    job.mutable_data()->clear_test();
    proto::Follow* const follow = job.mutable_data()->mutable_follow();
    follow->set_files(test_.Path("in"));
    follow->set_idle_seconds(2);
    follow->set_look_every(.1);
    job.mutable_train()->set_batch_size(512);
    job.mutable_model()->mutable_tower()->clear_hidden();
    job.mutable_model()->mutable_tower()->add_hidden(16);
    job.mutable_model()->set_embedding_dim(4);
    job.mutable_checkpoint()->set_dir(test_.Path("checkpoints"));
  }

  // The next rows of the log, as a file that comes.
  void AddFile(Compression compression = Compression::kNone) {
    ClickLogFile file;
    file.format = format_;
    file.path = test_.Path("in/" + std::to_string(files_));
    file.compression = compression;
    file.first_row = kFileRows * files_++;
    file.rows = kFileRows;
    ASSERT_TRUE(WriteClickLog(*log_, file).ok());
  }

  std::uint64_t RowsOfNewest() {
    const auto folders = CheckpointsIn(test_.Path("checkpoints"));
    return OpenCheckpoint(folders->front())->state().rows();
  }

  TestJob test_;
  std::unique_ptr<ClickLog> log_;
  std::uint64_t files_ = 0;
  ClickLogFormat format_ = ClickLogFormat::kCriteoTsv;
};

TEST_F(FollowTest, FilesThatComeAreTrainedOnOnceUnderMpirun) {
  AddFile();
  Process process(UnderMpirun(4, {"train", test_.Write(), "--servers=1", "--metrics=" + test_.Path("metrics")}));
  ASSERT_TRUE(process.WaitForOutput("epoch 1", 60)) << process.out() << process.err();
  AddFile(Compression::kZstd);
  AddFile();
  const ProcessResult result = process.Wait(120);
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_EQ(RowsOfNewest(), 3 * kFileRows);
  std::uint64_t rows = 0;
  for (const std::string& line : Lines(ReadOrDie(test_.Path("metrics")))) {
    if (line.find("\"period\"") == std::string::npos) continue;
    rows += std::stoull(line.substr(line.find("\"rows\":") + 7));
  }
  EXPECT_EQ(rows, 3 * kFileRows);
}

TEST_F(FollowTest, RowFilesThatComeAreTrainedOnOnceUnderMpirun) {
  format_ = ClickLogFormat::kRowFile;
  test_.job().mutable_data()->set_format(proto::Data::ROW_FILE);
  AddFile();
  Process process(UnderMpirun(4, {"train", test_.Write(), "--servers=1"}));
  ASSERT_TRUE(process.WaitForOutput("epoch 1", 60)) << process.out() << process.err();
  AddFile();
  const ProcessResult result = process.Wait(120);
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_EQ(RowsOfNewest(), 2 * kFileRows);
}

TEST_F(FollowTest, AfterAStopInMidFileEachRowIsTrainedOnOnce) {
  for (int i = 0; i < 3; ++i) AddFile();
  test_.job().mutable_data()->mutable_follow()->set_idle_seconds(0);
  {
    Process process(OneProcess({"train", test_.Write()}));
    ASSERT_TRUE(process.WaitForOutput("rows/s", 60)) << process.out() << process.err();
    process.Signal(SIGTERM);
    EXPECT_EQ(process.Wait(60).exit_code, 1);
  }
  AddFile();
  test_.job().mutable_data()->mutable_follow()->set_idle_seconds(1);
  const ProcessResult rest = RunProcess(OneProcess({"train", test_.Write(), "--resume"}), 120);
  ASSERT_EQ(rest.exit_code, 0) << rest.out << rest.err;
  EXPECT_EQ(RowsOfNewest(), 4 * kFileRows);
}

}  // namespace
}  // namespace sherd
