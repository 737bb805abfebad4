#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"
#include "tests/integration/job_run.h"
#include "worker/data/click_log/file.h"

namespace sherd {
namespace {

// The number behind "name": in a text of JSON.
double NumberIn(const std::string& json, const std::string& name) {
  const std::size_t place = json.find("\"" + name + "\":");
  if (place == std::string::npos) return -1;
  return std::stod(json.substr(place + name.size() + 3));
}

std::string LineWith(const std::string& text, const std::string& part) {
  for (const std::string& line : Lines(text)) {
    if (line.find(part) != std::string::npos) return line;
  }
  return "";
}

// A plan from a tenth of the rows, against the job as it then goes.
TEST(PlanTest, ForeseesWhatTheJobTakes) {
  TestJob test("criteo_deepfm");
  const auto log = ClickLog::Make({.scale = .1}).value();
  constexpr std::uint64_t kRows = 400'000;
  ClickLogFile file;
  file.path = test.Path("train.tsv");
  file.rows = kRows;
  file.threads = 2;
  ASSERT_TRUE(WriteClickLog(*log, file).ok());
  proto::Job& job = test.job();
  job.mutable_data()->clear_train();
  job.mutable_data()->clear_test();
  job.mutable_data()->add_train(file.path);
  job.mutable_model()->mutable_tower()->clear_hidden();
  job.mutable_model()->mutable_tower()->add_hidden(16);
  job.mutable_model()->set_embedding_dim(8);
  job.mutable_train()->set_batch_size(1024);
  job.mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  const std::string path = test.Write();

  const ProcessResult planned = RunProcess(OneProcess({"plan", path, "--json", "--sample_rows=40000"}), 200);
  ASSERT_EQ(planned.exit_code, 0) << planned.out << planned.err;
  const ProcessResult trained = RunProcess(OneProcess({"train", path, "--metrics=" + test.Path("metrics")}), 400);
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;

  const std::string table = LineWith(planned.out, "\"table\",\"name\""), plan = LineWith(planned.out, "\"plan\"");
  const std::string epoch = LineWith(ReadOrDie(test.Path("metrics")), "\"event\":\"epoch\"");
  const double rows = NumberIn(epoch.substr(epoch.find("\"tables\"")), "rows");
  const double bytes = NumberIn(epoch, "bytes");
  EXPECT_NEAR(NumberIn(plan, "rows") / kRows, 1, .02);
  EXPECT_NEAR(NumberIn(table, "rows") / rows, 1, .2);
  EXPECT_LE(NumberIn(table, "rows_low"), rows * 1.02);
  EXPECT_GE(NumberIn(table, "rows_high"), rows * .98);
  EXPECT_NEAR(NumberIn(table, "row_bytes") / (bytes / rows), 1, .15);
  EXPECT_NEAR(NumberIn(table, "bytes") / bytes, 1, .25);

  const auto folders = CheckpointsIn(test.Path("checkpoints"));
  double on_disk = 0;
  const auto manifest = OpenCheckpoint(folders->front());
  for (const proto::ShardFile& part : manifest->file()) on_disk += static_cast<double>(part.bytes());
  EXPECT_NEAR(NumberIn(plan, "checkpoint_bytes") / on_disk, 1, .2);
  EXPECT_GT(NumberIn(plan, "rows_per_second"), 1000);
  EXPECT_GT(NumberIn(plan, "network_bytes_a_row"), 39 * 8);
}

}  // namespace
}  // namespace sherd
