#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::IsEmpty;

// What a policy is worth, as a share of the best one's return: "NAME  9.87, 0.9749 of the best: …".
double ShareOfBest(const std::string& told, const std::string& name) {
  for (const std::string& line : Lines(told)) {
    if (line.starts_with(name + " ")) return std::stod(line.substr(line.find(", ") + 2));
  }
  ADD_FAILURE() << "no line of " << name << " in\n" << told;
  return 0;
}

// The commands at the top of the simulator's job files.
class SimulatedJob {
 public:
  explicit SimulatedJob(const std::string& job) : test_(job) {
    test_.job().mutable_data()->set_train(0, test_.Path("sessions.csv"));
    test_.job().mutable_checkpoint()->set_dir(test_.Path("checkpoints"));
    file_ = test_.Write();
    Run({"gen", "--simulator", "--output=" + test_.Path("sessions.csv"), "--choices=" + test_.Path("choices.csv")});
  }

  // What `gen` tells of the trained scores.
  std::string TrainAndPlay() {
    Run({"train", file_, "--servers=1", "--workers=2"});
    Run({"predict", file_, "--input=" + test_.Path("choices.csv"), "--output=" + test_.Path("scores.txt")});
    return Run({"gen", "--simulator", "--scores=" + test_.Path("scores.txt")});
  }

 private:
  std::string Run(const std::vector<std::string>& arguments) {
    const ProcessResult run = RunProcess(OneProcess(arguments), 200);
    EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    return run.out;
  }

  TestJob test_;
  std::string file_;
};

// Their jobs are BSP: what they reach is a function of the seeds, but for what the processor's SIMD target rounds.
TEST(SimulatorTest, DqnLearnsToPlanFromSessionsOfRandomItems) {
  const std::string told = SimulatedJob("simulator_dqn").TrainAndPlay();
  EXPECT_GE(ShareOfBest(told, "highest"), 0.95) << told;
  EXPECT_LT(ShareOfBest(told, "random"), 0.5);
  EXPECT_LT(ShareOfBest(told, "greedy"), 0.5);
}

TEST(SimulatorTest, ReinforceLearnsToPlanFromSessionsOfRandomItems) {
  const std::string told = SimulatedJob("simulator_reinforce").TrainAndPlay();
  EXPECT_GE(ShareOfBest(told, "highest"), 0.94) << told;  // the lowest of three seeds (bench/README.md)
  EXPECT_GE(ShareOfBest(told, "softmax"), 0.9) << told;
}

}  // namespace
}  // namespace sherd
