#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using proto::RowStorage;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The same result whatever the timing, so that what storage does to it is all that can differ.
void MakeBsp(TestJob* test, int rows) {
  test->Shorten(rows);
  proto::Train* train = test->job().mutable_train();
  train->set_consistency(proto::Train::BSP);
  train->set_max_in_flight(1);
  train->set_batch_size(128);
  train->set_epochs(1);
  test->job().mutable_cluster()->set_workers(2);
}

RowStorage* StorageOf(TestJob* test) { return test->job().mutable_model()->mutable_storage(); }

ProcessResult RunAlone(const std::string& command, TestJob* test, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {command, test->Write()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return RunProcess(OneProcess(arguments), 100);
}

// Empty if the run failed.
std::string CheckpointOf(TestJob* test, const std::string& name, const std::vector<std::string>& flags) {
  test->job().mutable_checkpoint()->set_dir(test->Path(name));
  std::vector<std::string> all = {"--metrics=" + test->Path(name + ".jsonl")};
  all.insert(all.end(), flags.begin(), flags.end());
  const ProcessResult run = RunAlone("train", test, all);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  return run.exit_code == 0 ? CheckpointContents(test->Path(name)) : "";
}

// The greatest value of a counter of the tables in a metrics file.
double MostOf(const std::string& metrics_file, const std::string& counter) {
  const std::string text = ReadOrDie(metrics_file), name = "\"" + counter + "\":";
  double most = 0;
  for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    most = std::max(most, std::strtod(text.c_str() + at + name.size(), nullptr));
  }
  return most;
}

TEST(StorageIntegrationTest, AdmissionLimitsAndRoundingGiveTheSameBitsForAnyNumberOfServers) {
  TestJob test("adult_wide_deep");
  MakeBsp(&test, 6000);
  const std::string plain = CheckpointOf(&test, "plain", {"--servers=1"});
  StorageOf(&test)->set_weights(RowStorage::BF16);
  StorageOf(&test)->set_admit_after(2);
  StorageOf(&test)->set_max_rows(4096);
  StorageOf(&test)->set_max_age_clocks(20);
  const std::string one = CheckpointOf(&test, "one", {"--servers=1"});
  ASSERT_GT(Lines(one).size(), 100);
  EXPECT_LT(Lines(one).size(), Lines(plain).size()) << "fewer keys have rows";
  EXPECT_GT(MostOf(test.Path("one.jsonl"), "evicted_rows"), 0);
  EXPECT_GT(MostOf(test.Path("one.jsonl"), "dropped_updates"), 0);
  EXPECT_TRUE(CheckpointOf(&test, "three", {"--servers=3"}) == one) << "three servers";
  EXPECT_TRUE(CheckpointOf(&test, "shards", {"--servers=2", "--shards_per_server=2"}) == one) << "four shards";
}

TEST(StorageIntegrationTest, SpillingUnderATinyBudgetChangesNoBit) {
  TestJob test("movielens_neumf");
  MakeBsp(&test, 20000);
  const std::string plain = CheckpointOf(&test, "plain", {"--servers=1"});
  ASSERT_GT(Lines(plain).size(), 1000);
  StorageOf(&test)->set_at_budget(RowStorage::SPILL);
  ASSERT_TRUE(MakeDirectory(test.Path("scratch")).ok());
  const std::vector<std::string> spill = {"--servers=1", "--memory_budget=1M", "--spill_dir=" + test.Path("scratch")};
  EXPECT_TRUE(CheckpointOf(&test, "spilled", spill) == plain);
  EXPECT_GT(MostOf(test.Path("spilled.jsonl"), "spilled_rows"), 100) << "the budget was too large to try anything";
}

TEST(StorageIntegrationTest, AUsedUpBudgetEndsTheJobWithACheckpointToGoOnFrom) {
  TestJob test("movielens_neumf");
  test.Shorten(20000);
  test.job().mutable_train()->set_epochs(3);
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  const ProcessResult stopped = RunAlone("train", &test, {"--servers=2", "--memory_budget=300K"});
  EXPECT_EQ(stopped.exit_code, 1) << stopped.out << stopped.err;
  EXPECT_THAT(stopped.err + stopped.out, HasSubstr("of memory_budget are used: table user"));
  EXPECT_THAT(stopped.err + stopped.out, HasSubstr("raise memory_budget"));
  EXPECT_THAT(stopped.left, IsEmpty());
  EXPECT_THAT(stopped.err + stopped.out, Not(HasSubstr("trained     ")));
  const std::string kept = CheckpointContents(test.Path("checkpoints"));
  EXPECT_GT(Lines(kept).size(), 100);
  const ProcessResult resumed = RunAlone("train", &test, {"--servers=2", "--resume", "--memory_budget=1G"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
  EXPECT_THAT(resumed.err + resumed.out, HasSubstr("resuming from " + test.Path("checkpoints")));
  EXPECT_FALSE(CheckpointContents(test.Path("checkpoints")) == kept) << "it went on";
}

TEST(StorageIntegrationTest, KeysThatOutgrowASpillingTablesBudgetEndTheJobWithACheckpoint) {
  TestJob test("adult_wide_deep");
  StorageOf(&test)->set_at_budget(RowStorage::SPILL);
  test.job().mutable_train()->set_epochs(2);
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  const std::string scratch = "--spill_dir=" + test.Path("scratch");
  const ProcessResult stopped = RunAlone("train", &test, {"--servers=2", "--memory_budget=160K", scratch});
  EXPECT_EQ(stopped.exit_code, 1) << stopped.out << stopped.err;
  EXPECT_THAT(stopped.err + stopped.out, HasSubstr("the keys of table 'cross' need"));
  EXPECT_GT(Lines(CheckpointContents(test.Path("checkpoints"))).size(), 100);
  const ProcessResult resumed = RunAlone("train", &test, {"--servers=2", "--resume", "--memory_budget=400K", scratch});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
}

TEST(StorageIntegrationTest, ASpillDirThatIsNoFolderEndsTheJobAtItsStart) {
  TestJob test("adult_wide_deep");
  StorageOf(&test)->set_at_budget(RowStorage::SPILL);
  WriteOrDie(test.Path("file"), "no folder");
  const ProcessResult run = RunAlone("train", &test, {"--servers=2", "--spill_dir=" + test.Path("file")});
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("cluster.spill_dir must be a folder that can be written to"));
}

TEST(StorageIntegrationTest, RowsTrainedInFp32AreServedInInt8) {
  TestJob test("adult_wide_deep");
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  test.job().mutable_train()->set_epochs(1);
  const std::string train = test.Path("train.jsonl"), eval = test.Path("eval.jsonl");
  ASSERT_EQ(RunAlone("train", &test, {"--servers=2", "--metrics=" + train}).exit_code, 0);
  StorageOf(&test)->set_weights(RowStorage::INT8);
  const ProcessResult run = RunAlone("eval", &test, {"--servers=2", "--metrics=" + eval});
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_NEAR(DoneMetric(eval, "test", "auc"), DoneMetric(train, "test", "auc"), 0.002);
  EXPECT_GT(std::abs(DoneMetric(eval, "test", "log_loss") - DoneMetric(train, "test", "log_loss")), 1e-7)
      << "no weight was rounded";
  EXPECT_EQ(RunAlone("train", &test, {"--servers=2"}).exit_code, 2) << "such rows can not be trained";
}

}  // namespace
}  // namespace sherd
