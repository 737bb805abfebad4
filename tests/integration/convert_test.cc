#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  if (!std::filesystem::exists(folder)) return names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  return names;
}

TEST(ConvertIntegrationTest, AdultTrainsFromRowFilesAsFromItsText) {
  TestJob job("adult_deepfm");
  const std::string text = job.Write();
  const ProcessResult converted = RunProcess(UnderMpirun(3, {"convert", text, "--out=" + job.Path("rows")}), 120);
  ASSERT_EQ(converted.exit_code, 0) << converted.out << converted.err;
  EXPECT_THAT(converted.out, HasSubstr("job.pbtxt"));
  // One file of few rows stays one, its rows in their order, and few values' quantiles are exact: so BSP gives the
  // same.
  std::vector<std::string> contents;
  for (const std::string& file : {text, job.Path("rows/job.pbtxt")}) {
    const std::string checkpoints = job.Path("checkpoints" + std::to_string(contents.size()));
    const ProcessResult run = RunProcess(
        OneProcess({"train", file, "--epochs=1", "--consistency=bsp", "--checkpoint_dir=" + checkpoints}), 300);
    ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
    EXPECT_EQ(run.out.find("statistics of the training rows from") != std::string::npos, file != text) << run.out;
    contents.push_back(CheckpointContents(checkpoints));
  }
  EXPECT_TRUE(contents[0] == contents[1]) << "other weights";
  const std::string metrics = job.Path("metrics.jsonl");
  const ProcessResult run =
      RunProcess(UnderMpirun(3, {"train", job.Path("rows/job.pbtxt"), "--epochs=2", "--metrics=" + metrics}), 300);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_GT(DoneMetric(metrics, "test", "auc"), 0.900);
}

// So large that it is at work for some seconds.
void WriteManyRows(TestJob* job) {
  const std::string adult = ReadOrDie(job->job().data().train(0));
  std::string many;
  while (many.size() < 400'000'000) many += adult;
  WriteOrDie(job->Path("many.data"), many);
  job->job().mutable_data()->set_train(0, job->Path("many.data"));
}

TEST(ConvertIntegrationTest, CtrlCLeavesNothing) {
  TestJob job("adult_deepfm");
  WriteManyRows(&job);
  Process convert(OneProcess({"convert", job.Write(), "--out=" + job.Path("rows")}));
  for (int i = 0; i < 600 && NamesIn(job.Path("rows/.partial")).empty(); ++i) usleep(100'000);
  convert.Signal(SIGINT);
  const ProcessResult run = convert.Wait(60);
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("SIGINT"));
  EXPECT_THAT(NamesIn(job.Path("rows")), IsEmpty());
}

TEST(ConvertIntegrationTest, WhatAKillLeavesIsNoJobAndCanBeReplaced) {
  TestJob job("adult_deepfm");
  const std::string small = job.Write();
  WriteManyRows(&job);
  Process convert(OneProcess({"convert", job.Write(), "--out=" + job.Path("rows")}));
  for (int i = 0; i < 600 && NamesIn(job.Path("rows/.partial")).empty(); ++i) usleep(100'000);
  convert.Signal(SIGKILL);
  convert.Wait(60);
  EXPECT_FALSE(std::filesystem::exists(job.Path("rows/job.pbtxt")));
  const std::vector<std::string> again = {"convert", small, "--out=" + job.Path("rows")};
  const ProcessResult refused = RunProcess(OneProcess(again), 60);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("killed"));
  job.job().mutable_data()->set_train(0, std::string(SHERD_SOURCE_DIR) + "/tests/data/adult/adult.data");
  std::vector<std::string> replacing = {"convert", job.Write(), "--out=" + job.Path("rows"), "--overwrite"};
  const ProcessResult run = RunProcess(OneProcess(replacing), 120);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(NamesIn(job.Path("rows")),
              ::testing::UnorderedElementsAre("job.pbtxt", "statistics.pbtxt", "train-00000.sherd", "eval-00000.sherd",
                                              "test-00000.sherd"));
}

}  // namespace
}  // namespace sherd
