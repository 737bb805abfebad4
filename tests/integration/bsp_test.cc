#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "tests/integration/job_run.h"
#include "worker/data/simulator/session_rows.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// A small job with everything whose result might depend on how the work is spread: statistics of a batch, masks,
// crosses, negatives, a rate that warms up.
void MakeBsp(TestJob* test) {
  test->Shorten(6000);
  proto::Job& job = test->job();
  job.mutable_train()->set_consistency(proto::Train::BSP);
  job.mutable_train()->set_max_in_flight(1);
  job.mutable_train()->set_batch_size(128);
  job.mutable_train()->set_epochs(2);
  job.mutable_train()->mutable_learning_rate()->set_warmup_clocks(10);
  job.mutable_model()->mutable_tower()->set_batch_norm(true);
  job.mutable_model()->mutable_tower()->set_dropout(0.2);
  job.mutable_cluster()->set_workers(2);
}

std::string CheckpointOf(TestJob* test, const std::string& name, int servers, bool mpirun,
                         const std::vector<std::string>& flags = {}) {
  test->job().mutable_checkpoint()->set_dir(test->Path(name));
  std::vector<std::string> arguments = {"train", test->Write(), "--servers=" + std::to_string(servers)};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const ProcessResult run = RunProcess(mpirun ? UnderMpirun(1 + servers + 2, arguments) : OneProcess(arguments), 200);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  return run.exit_code == 0 ? CheckpointContents(test->Path(name)) : "";
}

class BspIntegrationTest : public ::testing::TestWithParam<std::string> {};

TEST_P(BspIntegrationTest, GivesTheSameBitsForAnyNumberOfServersUnderMpirunOrInOneProcess) {
  TestJob test(GetParam());
  MakeBsp(&test);
  const std::string one = CheckpointOf(&test, "one", 1, false);
  ASSERT_GT(Lines(one).size(), 100) << "tables and dense blocks have contents to compare";
  EXPECT_TRUE(CheckpointOf(&test, "two", 2, false) == one) << "two servers in one process";
  EXPECT_TRUE(CheckpointOf(&test, "mpirun_one", 1, true) == one) << "one server under mpirun";
  EXPECT_TRUE(CheckpointOf(&test, "mpirun_two", 2, true) == one) << "two servers under mpirun";
  EXPECT_TRUE(CheckpointOf(&test, "mpirun_three", 3, true) == one) << "three servers under mpirun";
  EXPECT_FALSE(CheckpointOf(&test, "seed", 1, false, {"--seed=2"}) == one) << "another seed must show";
}

// In place of the model of a shipped job: on adult_deepfm's data, or movielens_neumf's for models of users and items.
struct ModelCase {
  const char* name;
  const char* job;
  bool tower;
  const char* settings = "";  // besides, of the job
};

// Rows for movielens_din, as movielens_histories.py makes them.
void MakeHistories(TestJob* test) {
  std::string rows = "like,user,item,history\n";
  for (int row = 0; row < 1500; ++row) {
    rows += std::to_string(row % 3 == 0) + ",u" + std::to_string(row % 50) + "," + std::to_string(row % 89) + ",";
    for (int i = 0; i < row % 7; ++i) rows += (i > 0 ? " " : "") + std::to_string((row * (i + 3)) % 89);
    rows += "\n";
  }
  WriteOrDie(test->Path("histories"), rows);
  test->job().mutable_data()->set_train(0, test->Path("histories"));
  test->job().mutable_data()->clear_test();
}

// Images of 4 x 4 pixels in place of digits_cnn's.
void MakeImages(TestJob* test) {
  std::string rows;
  for (int row = 0; row < 1500; ++row) {
    rows += std::to_string(row % 10);
    for (int pixel = 0; pixel < 16; ++pixel)
      rows += "," + std::to_string((row * 31 + pixel * pixel * (row % 10)) % 256);
    rows += "\n";
  }
  WriteOrDie(test->Path("images"), rows);
  proto::Job& job = test->job();
  job.mutable_data()->set_train(0, test->Path("images"));
  job.mutable_data()->clear_test();
  job.mutable_data()->mutable_delimited()->mutable_column(1)->set_name("p0..p15");
  job.mutable_feature(0)->set_column("p0..p15");
  job.mutable_model()->mutable_image()->set_height(4);
  job.mutable_model()->mutable_image()->set_width(4);
}

// Films that are lists of words, of what their ids have between ones, without their users.
void MakeWords(TestJob* test) {
  proto::Job& job = test->job();
  job.mutable_feature()->DeleteSubrange(0, 1);
  job.mutable_feature(0)->mutable_categorical()->set_separator("1");
  job.mutable_data()->mutable_user_item()->set_negatives(0);
  job.clear_evaluation();
}

// Sessions of users to whom items are shown at random.
void MakeSessions(TestJob* test) {
  WriteOrDie(test->Path("sessions"), PlaySessions(UserSimulator(1), RandomPolicy(), 1, 0, 300).text);
  test->job().mutable_data()->set_train(0, test->Path("sessions"));
}

class BspModelTest : public ::testing::TestWithParam<ModelCase> {};

TEST_P(BspModelTest, GivesTheSameBitsOnOneAndThreeServers) {
  TestJob test(GetParam().job);
  if (std::string(GetParam().name) == "din") MakeHistories(&test);
  if (std::string(GetParam().name) == "cnn") MakeImages(&test);
  if (std::string(GetParam().name) == "contrast") MakeWords(&test);
  if (std::string(GetParam().job).starts_with("simulator")) MakeSessions(&test);
  MakeBsp(&test);
  test.Shorten(1500);
  proto::Model* model = test.job().mutable_model();
  model->set_name(GetParam().name);
  if (!GetParam().tower) model->clear_tower();
  if (model->name() != "sasrec") model->clear_attention();
  if (std::string(GetParam().name) == "mf") model->set_loss(proto::Model::SQUARED_ERROR);
  if (test.job().has_evaluation()) test.job().mutable_evaluation()->clear_metric();
  ASSERT_TRUE(google::protobuf::TextFormat::MergeFromString(GetParam().settings, &test.job()));
  const std::string one = CheckpointOf(&test, "one", 1, false);
  const bool dense = test.job().model().has_image();
  ASSERT_GT(Lines(one).size(), dense ? 5 : 25) << "autorec has rows for the few users of these ratings alone";
  EXPECT_TRUE(CheckpointOf(&test, "three", 3, false) == one);
}

class BspWireValuesTest : public ::testing::TestWithParam<proto::Train::Values> {};

TEST_P(BspWireValuesTest, GiveTheSameBitsForAnyNumberOfServers) {
  TestJob test("adult_deepfm");
  MakeBsp(&test);
  const std::string exact = CheckpointOf(&test, "exact", 1, false);
  test.job().mutable_train()->set_wire_values(GetParam());
  const std::string one = CheckpointOf(&test, "one", 1, false);
  ASSERT_GT(Lines(one).size(), 100);
  EXPECT_FALSE(one == exact) << "nothing was rounded";
  EXPECT_TRUE(CheckpointOf(&test, "three", 3, false) == one) << "three servers in one process";
  EXPECT_TRUE(CheckpointOf(&test, "mpirun_two", 2, true) == one) << "two servers under mpirun";
}

// Noise is a function of what it is added to: on the same keys and elements, wherever they lie.
TEST(BspPrivacyTest, NoiseGivesTheSameBitsOnOneAndThreeServers) {
  TestJob test("adult_private");
  test.Shorten(600);
  test.job().mutable_train()->set_consistency(proto::Train::BSP);
  test.job().mutable_train()->set_batch_size(64);
  test.job().mutable_train()->set_epochs(1);
  test.job().mutable_train()->mutable_dp()->set_noise_seed(3);
  test.job().mutable_cluster()->set_workers(2);
  const std::string one = CheckpointOf(&test, "one", 1, false);
  ASSERT_GT(Lines(one).size(), 60);
  EXPECT_TRUE(CheckpointOf(&test, "three", 3, false) == one);
  test.job().mutable_train()->mutable_dp()->clear_noise_seed();
  EXPECT_FALSE(CheckpointOf(&test, "drawn", 1, false) == one) << "noise that the seeds of the job do not tell";
}

INSTANTIATE_TEST_SUITE_P(Encodings, BspWireValuesTest, ::testing::Values(proto::Train::BF16, proto::Train::INT8));
INSTANTIATE_TEST_SUITE_P(
    Models, BspModelTest,
    ::testing::Values(
        ModelCase{"lr", "adult_deepfm", false}, ModelCase{"fm", "adult_deepfm", false},
        ModelCase{"ffm", "adult_deepfm", false}, ModelCase{"nfm", "adult_deepfm", true},
        ModelCase{"dcn", "adult_deepfm", true}, ModelCase{"mf", "movielens_neumf", false},
        ModelCase{"autorec", "movielens_autorec", true}, ModelCase{"gmf", "movielens_neumf", false},
        ModelCase{"mlp", "movielens_neumf", true}, ModelCase{"din", "movielens_din", true},
        ModelCase{"cnn", "digits_cnn", true}, ModelCase{"bpr_mf", "movielens_bpr_mf", false},
        ModelCase{"two_tower", "movielens_bpr_mf", true}, ModelCase{"lightgcn", "movielens_lightgcn", false},
        ModelCase{"sasrec", "movielens_sasrec", false, "train { batch_size: 2 }"},
        ModelCase{"gru4rec", "movielens_sasrec", false,
                  "model { tower { hidden: 12 dropout: 0.2 } } train { batch_size: 2 }"},
        ModelCase{"lstm", "movielens_sasrec", false,
                  "model { tower { hidden: 12 dropout: 0.2 } } train { batch_size: 2 }"},
        ModelCase{"seq2seq", "movielens_sasrec", false,
                  "data { user_item { sequences { targets: REVERSED } } } model { tower { hidden: 12 } } "
                  "train { batch_size: 2 }"},
        ModelCase{"cdae", "movielens_sasrec", false, "model { tower { dropout: 0.4 } } train { batch_size: 2 }"},
        ModelCase{"contrast", "movielens_bpr_mf", false, "model { tower { dropout: 0.4 } loss: IN_BATCH_SOFTMAX }"},
        ModelCase{"caser", "movielens_sasrec", false, "train { batch_size: 2 }"},
        ModelCase{"dqn", "simulator_dqn", false, "model { tower { hidden: 12 } }"},
        ModelCase{"reinforce", "simulator_reinforce", false, "model { tower { hidden: 12 } }"}),
    [](const auto& info) { return std::string(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Jobs, BspIntegrationTest,
                         ::testing::Values("adult_wide_deep", "adult_deepfm", "movielens_neumf"));

}  // namespace
}  // namespace sherd
