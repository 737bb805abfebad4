// Checkpoints of real jobs: on request, through failures, onto other numbers of everything, from damaged ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "base/hash.h"
#include "base/manifest.h"
#include "scheduler/checkpoint_folders.h"
#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Long enough to be disturbed: it does not end by itself within the test's time.
void MakeLong(TestJob* test) {
  proto::Job& job = test->job();
  job.mutable_train()->set_epochs(1000);
  job.mutable_train()->set_batch_size(64);
  job.mutable_evaluation()->clear_patience();
  job.mutable_checkpoint()->set_dir(test->Path("checkpoints"));
}

// "epoch 7 " as it will stand in the output two epochs after the last one that stands there.
std::string EpochToCome(const std::string& out) {
  int last = 0;
  for (const std::string& line : Lines(out)) {
    if (line.starts_with("epoch ")) last = std::max(last, std::atoi(line.c_str() + 6));
  }
  return "epoch " + std::to_string(last + 2) + " ";
}

class RequestTest : public ::testing::TestWithParam<bool> {};

TEST_P(RequestTest, Sigusr1WritesACheckpointAndTrainingGoesOnUntilSigterm) {
  TestJob test("adult_deepfm");
  MakeLong(&test);
  test.job().mutable_evaluation()->set_restore_best(false);  // no other checkpoints
  const std::vector<std::string> arguments = {"train", test.Write()};
  Process process(GetParam() ? UnderMpirun(4, arguments) : OneProcess(arguments));
  ASSERT_TRUE(process.WaitForOutput("epoch 2 ", 120)) << process.out() << process.err();
  EXPECT_THAT(*CheckpointsIn(test.Path("checkpoints")), IsEmpty());
  process.Signal(SIGUSR1);
  ASSERT_TRUE(process.WaitForOutput("checkpoint  " + test.Path("checkpoints/checkpoint-000001"), 60))
      << process.out() << process.err();
  EXPECT_TRUE(NewestCheckpoint(test.Path("checkpoints")).ok());
  ASSERT_TRUE(process.WaitForOutput(EpochToCome(process.out()), 120)) << process.out() << process.err();
  EXPECT_THAT(*CheckpointsIn(test.Path("checkpoints")), SizeIs(1)) << "one request is one checkpoint";
  process.Signal(SIGTERM);
  const ProcessResult run = process.Wait(60);
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("stopped on request"));
  EXPECT_THAT(run.left, IsEmpty());
  EXPECT_THAT(*NewestCheckpoint(test.Path("checkpoints")), HasSubstr("checkpoint-000002"));
}

INSTANTIATE_TEST_SUITE_P(Signals, RequestTest, ::testing::Bool(),
                         [](const auto& info) { return std::string(info.param ? "UnderMpirun" : "OneProcess"); });

// The folder gives way to a file, in which no checkpoint can be made, whoever asks.
class FailingFolder {
 public:
  explicit FailingFolder(const std::string& dir) : dir_(dir) {}
  void TakeAway() {
    std::filesystem::rename(dir_, dir_ + ".away");
    WriteOrDie(dir_, "a file");
  }
  void BringBack() {
    std::filesystem::remove(dir_);
    std::filesystem::rename(dir_ + ".away", dir_);
  }

 private:
  const std::string dir_;
};

TEST(CheckpointFailureTest, TrainingGoesOnSaysSoAndRecovers) {
  TestJob test("adult_deepfm");
  MakeLong(&test);
  test.job().mutable_checkpoint()->set_every_rows(20000);
  const std::string dir = test.Path("checkpoints"), metrics = test.Path("metrics.jsonl");
  FailingFolder folder(dir);
  Process process(OneProcess({"train", test.Write(), "--metrics=" + metrics}));
  ASSERT_TRUE(process.WaitForOutput("checkpoint  " + dir, 120)) << process.out() << process.err();
  folder.TakeAway();
  ASSERT_TRUE(process.WaitForOutput("no checkpoint: ", 60)) << process.out() << process.err();
  ASSERT_TRUE(process.WaitForOutput("NO CHECKPOINT (", 60)) << process.out() << process.err();
  EXPECT_THAT(ReadOrDie(metrics), HasSubstr("\"event\":\"checkpoint_failed\""));
  const std::size_t had = Lines(process.out()).size();
  folder.BringBack();
  bool again = false;
  for (int i = 0; i < 600 && !again; ++i) {
    const std::vector<std::string> lines = Lines(process.out());
    for (std::size_t line = had; line < lines.size(); ++line) again |= lines[line].starts_with("checkpoint  " + dir);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(again) << process.out();
  process.Signal(SIGTERM);
  const ProcessResult run = process.Wait(60);
  EXPECT_THAT(run.err, HasSubstr("checkpoint: " + dir));
  EXPECT_TRUE(NewestCheckpoint(dir).ok());
  EXPECT_THAT(ReadOrDie(metrics), Not(HasSubstr("\"event\":\"failed\",\"reason\":\"no")));
}

TEST(CheckpointFailureTest, AJobWithoutItsLastCheckpointSaysSoAndHasFailed) {
  TestJob test("adult_deepfm");
  test.job().mutable_train()->set_epochs(3);
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  FailingFolder folder(test.Path("checkpoints"));
  Process process(OneProcess({"train", test.Write()}));
  ASSERT_TRUE(process.WaitForOutput("epoch 1 ", 120)) << process.out() << process.err();
  folder.TakeAway();
  const ProcessResult run = process.Wait(120);
  EXPECT_EQ(run.exit_code, 1) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("the final checkpoint"));
}

// ---- resuming ------------------------------------------------------------------------------------------------------

constexpr int kRows = 200'000;

// kRows rows, each with a token of its own. Adam counts a row's steps, so a checkpoint tells how often each was
// trained.
void MakeRows(TestJob* test) {
  std::string text = "id,label\n";
  for (int i = 0; i < kRows; ++i) text += "row" + std::to_string(i) + (i % 3 == 0 ? ",1\n" : ",0\n");
  WriteOrDie(test->Path("rows.csv"), text);
  proto::Job& job = test->job();
  job.mutable_feature()->Clear();
  proto::Feature* feature = job.add_feature();
  feature->set_column("id");
  feature->mutable_categorical();
  job.mutable_data()->Clear();
  job.mutable_data()->set_format(proto::Data::DELIMITED);
  job.mutable_data()->add_train(test->Path("rows.csv"));
  proto::Delimited* delimited = job.mutable_data()->mutable_delimited();
  delimited->set_header(true);
  for (const char* name : {"id", "label"}) delimited->add_column()->set_name(name);
  delimited->set_label("label");
  job.mutable_model()->Clear();
  job.mutable_model()->set_name("lr");
  job.mutable_model()->mutable_linear_optimizer()->mutable_adam();
  job.mutable_model()->mutable_embedding_optimizer()->mutable_adam();
  job.clear_evaluation();
  job.mutable_train()->Clear();
  job.mutable_train()->set_batch_size(32);
  job.mutable_checkpoint()->set_dir(test->Path("checkpoints"));
  job.mutable_checkpoint()->set_every_rows(20'000);
  job.mutable_checkpoint()->set_keep(1000);
}

// Each row was trained so often: the bits of a float.
void ExpectSteps(const std::string& dir, const std::string& steps) {
  int rows = 0;
  for (const std::string& line : Lines(CheckpointContents(dir))) {
    std::istringstream words(line);
    const std::vector<std::string> parts{std::istream_iterator<std::string>(words), {}};
    if (parts.size() != 6 || parts[0] == "output.bias") continue;  // of the table: name, key, w, m, v, t
    EXPECT_EQ(parts[5], steps) << line;
    ++rows;
  }
  EXPECT_EQ(rows, kRows);
}

// Leaves the newest checkpoint in the middle of the epoch, and those before it. False: there is none.
bool BackToTheMiddle(const std::string& dir) {
  const auto folders = *CheckpointsIn(dir);
  const auto is_within = [](const std::string& folder) {
    const auto manifest = OpenCheckpoint(folder);
    return manifest.ok() && manifest->state().epoch() == 0 && manifest->state().rows() < kRows - 20'000;
  };
  for (const std::string& folder : folders) {
    if (is_within(folder)) return true;
    std::filesystem::remove_all(folder);
  }
  return false;
}

struct Numbers {
  bool bsp, in_memory, mpirun;
  int servers, shards, workers;
};

class ExactRowsTest : public ::testing::TestWithParam<Numbers> {};

TEST_P(ExactRowsTest, EachRowIsTrainedOnceThoughTheJobGoesOnWithOtherNumbers) {
  TestJob test("adult_deepfm");
  MakeRows(&test);
  test.job().mutable_train()->set_consistency(GetParam().bsp ? proto::Train::BSP : proto::Train::ASYNC);
  // A cut takes a moment, in BSP at a clock that is two seconds ahead: the epoch has to last longer.
  test.job().mutable_train()->set_batch_size(GetParam().bsp ? 2 : 4);
  if (!GetParam().in_memory) test.job().mutable_data()->set_in_memory_bytes(0);
  const std::string dir = test.Path("checkpoints"), job = test.Write();
  const ProcessResult first = RunProcess(OneProcess({"train", job, "--servers=2", "--workers=2"}), 100);
  ASSERT_EQ(first.exit_code, 0) << first.out << first.err;
  if (!BackToTheMiddle(dir)) GTEST_SKIP() << "the epoch was over before a checkpoint could be within it";
  EXPECT_LT(Lines(CheckpointContents(dir)).size(), static_cast<std::size_t>(kRows - 10'000));

  const std::vector<std::string> arguments = {"train", job, "--resume",
                                              "--servers=" + std::to_string(GetParam().servers),
                                              "--shards_per_server=" + std::to_string(GetParam().shards)};
  std::vector<std::string> alone = arguments;
  alone.push_back("--workers=" + std::to_string(GetParam().workers));
  const ProcessResult rest = RunProcess(
      GetParam().mpirun ? UnderMpirun(1 + GetParam().servers + GetParam().workers, arguments) : OneProcess(alone), 100);
  ASSERT_EQ(rest.exit_code, 0) << rest.out << rest.err;
  EXPECT_THAT(rest.out + rest.err, AllOf(HasSubstr("resuming from " + dir), HasSubstr("200,000 rows")));
  ExpectSteps(dir, "3f800000");
}

INSTANTIATE_TEST_SUITE_P(Numbers, ExactRowsTest,
                         ::testing::Values(Numbers{true, true, false, 3, 2, 3}, Numbers{false, true, true, 1, 2, 1},
                                           Numbers{false, false, false, 1, 1, 5}, Numbers{true, false, true, 2, 1, 3}));

// Whenever it dies, what it leaves is whole, and nothing is trained twice or not at all.
TEST(KilledTest, AtAnyMomentTheJobGoesOnToTheExactEnd) {
  TestJob test("adult_deepfm");
  MakeRows(&test);
  test.job().mutable_train()->set_epochs(4);
  test.job().mutable_checkpoint()->set_every_rows(1500);
  test.job().mutable_checkpoint()->set_keep(2);
  const std::string dir = test.Path("checkpoints"), job = test.Write();
  int killed = 0;
  for (int i = 0; i < 12; ++i) {
    const std::string number = std::to_string(1 + i % 3);
    Process process(OneProcess({"train", job, "--resume", "--servers=" + number, "--workers=" + number}));
    process.WaitForOutput("checkpoint  ", 30);
    std::this_thread::sleep_for(std::chrono::milliseconds(Mix(7, static_cast<std::uint64_t>(i)) % 300));
    process.Signal(SIGKILL);
    killed += process.Wait(30).exit_code == 128 + SIGKILL ? 1 : 0;
    EXPECT_FALSE(CheckpointContents(dir).empty());
  }
  EXPECT_GE(killed, 3) << "too fast to be killed";
  const ProcessResult rest = RunProcess(OneProcess({"train", job, "--resume"}), 100);
  ASSERT_EQ(rest.exit_code, 0) << rest.out << rest.err;
  ExpectSteps(dir, "40800000");
}

// The newest is damaged where only its shards look; the one before is in the middle of an epoch.
TEST(FallbackTest, GoesOnFromTheOneBeforeToTheBitsOfAnUndisturbedRun) {
  TestJob test("adult_deepfm");
  proto::Job& job = test.job();
  job.mutable_train()->set_consistency(proto::Train::BSP);
  job.mutable_train()->set_max_in_flight(1);
  job.mutable_train()->set_epochs(2);
  job.mutable_cluster()->set_workers(2);
  job.mutable_evaluation()->set_restore_best(false);
  job.mutable_checkpoint()->set_every_rows(10000);
  job.mutable_checkpoint()->set_dir(test.Path("undisturbed"));
  const ProcessResult whole = RunProcess(OneProcess({"train", test.Write(), "--epochs=3"}), 200);
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const std::string dir = test.Path("disturbed");
  job.mutable_checkpoint()->set_dir(dir);
  ASSERT_EQ(RunProcess(OneProcess({"train", test.Write(), "--servers=2"}), 200).exit_code, 0);

  const std::string newest = *NewestCheckpoint(dir), file = newest + "/shard-1.sherd";
  std::string bytes = ReadOrDie(file);
  bytes[bytes.size() / 3] ^= 4;
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
  const ProcessResult rest =
      RunProcess(OneProcess({"train", test.Write(), "--servers=3", "--resume", "--epochs=3"}), 200);
  ASSERT_EQ(rest.exit_code, 0) << rest.out << rest.err;
  EXPECT_THAT(rest.out, AllOf(HasSubstr("damaged: "), HasSubstr("shard-1.sherd"), HasSubstr("block"), HasSubstr("slot"),
                              HasSubstr("going on with the one before")));
  EXPECT_THAT(rest.out, HasSubstr("train.epochs: 2 there, 3 here"));
  EXPECT_TRUE(CheckpointContents(dir) == CheckpointContents(test.Path("undisturbed")));
}

TEST(FallbackTest, AnotherModelIsRefusedByTheNamesOfWhatDiffers) {
  TestJob test("adult_deepfm");
  test.Shorten(2000);
  test.job().mutable_train()->set_epochs(1);
  test.job().mutable_checkpoint()->set_dir(test.Path("checkpoints"));
  ASSERT_EQ(RunProcess(OneProcess({"train", test.Write()}), 100).exit_code, 0);
  test.job().mutable_model()->set_embedding_dim(4);
  const ProcessResult other = RunProcess(OneProcess({"train", test.Write(), "--resume", "--epochs=2"}), 100);
  EXPECT_EQ(other.exit_code, 2) << other.out;
  EXPECT_THAT(other.err, HasSubstr("model.embedding_dim: 8 there, 4 here"));
  test.job().mutable_model()->set_embedding_dim(8);
  test.job().mutable_model()->mutable_dense_optimizer()->mutable_adam()->set_learning_rate(0.01);
  const ProcessResult faster = RunProcess(OneProcess({"train", test.Write(), "--resume", "--epochs=2"}), 100);
  EXPECT_EQ(faster.exit_code, 0) << faster.out << faster.err;
  EXPECT_THAT(faster.out, AllOf(HasSubstr("model.dense_optimizer.adam.learning_rate: 0.001 there, 0.01 here"),
                                HasSubstr("train.epochs: 1 there, 2 here")));
}

// ---- warm start ----------------------------------------------------------------------------------------------------

// By a rate of nothing the rows stay what was loaded.
TEST(WarmStartTest, AModelWithAnotherTowerBeginsWithTheRowsOfTheFirst) {
  TestJob test("adult_deepfm");
  test.Shorten(3000);
  proto::Job& job = test.job();
  job.mutable_train()->set_epochs(1);
  job.mutable_checkpoint()->set_dir(test.Path("first"));
  ASSERT_EQ(RunProcess(OneProcess({"train", test.Write(), "--servers=2"}), 100).exit_code, 0);

  job.mutable_model()->mutable_tower()->mutable_hidden()->Clear();
  job.mutable_model()->mutable_tower()->add_hidden(20);
  job.mutable_model()->mutable_embedding_optimizer()->mutable_sgd()->set_learning_rate(0);
  job.mutable_checkpoint()->set_dir(test.Path("second"));
  job.mutable_warm_start()->set_checkpoint(test.Path("first"));
  job.mutable_warm_start()->add_load()->set_name("embedding");
  const ProcessResult unlisted = RunProcess(OneProcess({"train", test.Write()}), 100);
  EXPECT_EQ(unlisted.exit_code, 2);
  EXPECT_THAT(unlisted.err, AllOf(HasSubstr("neither loaded nor fresh: "), HasSubstr("tower.0")));
  EXPECT_EQ(RunProcess(OneProcess({"check", test.Write()}), 100).exit_code, 2);

  for (const char* name : {"tower.*", "deep_output.*", "output.*", "numbers.*"})
    job.mutable_warm_start()->add_fresh(name);
  const ProcessResult run = RunProcess(OneProcess({"train", test.Write(), "--servers=3"}), 100);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("warm start from " + test.Path("first/checkpoint-0")));
  std::map<std::string, std::string> first;  // rows by table and key
  const auto key_of = [](const std::string& line) { return line.substr(0, line.find(' ', line.find(' ') + 1)); };
  for (const std::string& line : Lines(CheckpointContents(test.Path("first")))) first[key_of(line)] = line;
  std::size_t rows = 0;
  for (const std::string& line : Lines(CheckpointContents(test.Path("second")))) {
    if (!line.starts_with("embedding ")) continue;
    EXPECT_TRUE(first[key_of(line)].starts_with(line)) << line;  // which goes on with Adam's state
    ++rows;
  }
  EXPECT_GT(rows, 100u);

  // A resumed run is no new one.
  const ProcessResult resumed = RunProcess(OneProcess({"train", test.Write(), "--resume", "--epochs=2"}), 100);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, AllOf(HasSubstr("resuming from"), Not(HasSubstr("warm start"))));
}

}  // namespace
}  // namespace sherd
