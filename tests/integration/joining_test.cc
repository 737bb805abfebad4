// Processes that join a running job, and workers that leave it, under mpirun and by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "launch/keys/key_file.h"
#include "tests/integration/counting_job.h"
#include "tests/integration/disturbed_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

// A job over tcp with a key file, 2 servers and no spare, from its first report of progress on.
class OpenJob {
 public:
  OpenJob(CountingJob::Shape shape, std::uint32_t workers, const proto::Cluster& cluster)
      : counting_(shape), keys_(counting_.test().Path("keys")) {
    counting_.job().mutable_cluster()->MergeFrom(cluster);
    EXPECT_TRUE(MakeKeyFile(keys_).ok());
    file_ = counting_.test().Write();
    const std::string metrics = counting_.test().Path("metrics");
    run_ = std::make_unique<Process>(
        UnderMpirun(3 + static_cast<int>(workers), {"train", file_, "--servers=2", "--transport=tcp", "--interface=lo",
                                                    "--key_file=" + keys_, "--metrics=" + metrics}));
    EXPECT_TRUE(WaitForEvent(metrics, "progress", 60)) << run_->out() << run_->err();
  }

  std::vector<std::string> Join(const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> arguments = {"join", file_, "--key_file=" + keys_};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return OneProcess(arguments);
  }

  void SignalRank(std::uint32_t rank, int signal) {
    const auto found = ProcessesOf(*run_, rank);
    EXPECT_THAT(found, SizeIs(1)) << run_->out() << run_->err();
    for (const pid_t pid : found) ::kill(pid, signal);
  }

  // Of the job as mpirun has started it, whoever finishes it. Each row has been trained once.
  ProcessResult ExpectGoodEnd() {
    ProcessResult result = run_->Wait(200);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.left, IsEmpty());
    EXPECT_EQ(counting_.WrongCounts(1), "");
    EXPECT_EQ(AccountsOf(counting_.test().Path("metrics")).trained, counting_.good_rows());
    EXPECT_FALSE(std::filesystem::exists(counting_.test().Path("checkpoints/scheduler")));
    return result;
  }

  CountingJob& counting() { return counting_; }
  Process& run() { return *run_; }
  const std::string& keys() const { return keys_; }
  const std::string& file() const { return file_; }

 private:
  CountingJob counting_;
  const std::string keys_;
  std::string file_;
  std::unique_ptr<Process> run_;
};

proto::Cluster Timeouts(double heartbeat, double request, double scheduler_wait = 0) {
  proto::Cluster cluster;
  cluster.set_heartbeat_timeout(heartbeat);
  cluster.set_request_timeout(request);
  if (scheduler_wait > 0) cluster.set_scheduler_wait(scheduler_wait);
  return cluster;
}

TEST(JoiningTest, ASpareThatHasJoinedTakesALostSchedulersPlace) {
  OpenJob job({.rows = 6400}, 2, Timeouts(1.5, 30));
  Process spare(job.Join());
  ASSERT_TRUE(spare.WaitForOutput("joins the job counting as spare 0", 20)) << spare.out() << spare.err();
  ASSERT_TRUE(job.run().WaitForOutput("spare 0 (joined", 20)) << job.run().out() << job.run().err();
  job.SignalRank(0, SIGKILL);
  job.ExpectGoodEnd();
  const ProcessResult result = spare.Wait(60);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("took the job over in epoch 1"));
}

// Ranks wait longer for a scheduler than for anything else.
TEST(JoiningTest, SoDoesOneThatJoinsWhenTheSchedulerIsGone) {
  OpenJob job({.rows = 6400}, 2, Timeouts(1.5, 4, 60));
  job.SignalRank(0, SIGKILL);
  Sleep(6);
  const ProcessResult spare = RunProcess(job.Join(), 200);
  EXPECT_EQ(spare.exit_code, 0) << spare.out << spare.err;
  EXPECT_THAT(spare.out, HasSubstr("took the job over in epoch 1"));
  job.ExpectGoodEnd();
}

// Both servers are lost, one after the other; the spare has what they had.
TEST(Faults, ASpareThatHasJoinedGetsTheFollowersOfALostServer) {
  proto::Cluster cluster = Timeouts(1.5, 30);
  cluster.set_replicas(2);
  OpenJob job({.files = 200, .rows = 12'288}, 2, cluster);
  job.SignalRank(2, SIGKILL);
  ASSERT_TRUE(job.run().WaitForOutput("have none now", 30)) << job.run().out() << job.run().err();
  Process spare(job.Join());
  for (const char* shard : {"shard 0", "shard 1"}) {
    ASSERT_TRUE(job.run().WaitForOutput(std::string(shard) + " has a follower again, on spare 0 (joined", 60))
        << job.run().out() << job.run().err();
  }
  job.SignalRank(1, SIGKILL);
  job.ExpectGoodEnd();
  const ProcessResult result = spare.Wait(60);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST(JoiningTest, RanksGiveUpAfterSchedulerWait) {
  OpenJob job({.rows = 6400}, 2, Timeouts(1.5, 60, 3));
  job.SignalRank(0, SIGKILL);
  const ProcessResult result = job.run().Wait(30);
  EXPECT_EQ(result.exit_code, 1) << result.out << result.err;
  EXPECT_THAT(result.left, IsEmpty());
}

TEST(JoiningTest, OfAJobThatIsDeadNothingIsLeftToJoin) {
  OpenJob job({.rows = 6400}, 2, Timeouts(0.5, 10));
  for (std::uint32_t rank = 0; rank < 5; ++rank) job.SignalRank(rank, SIGKILL);
  job.run().Wait(60);
  const ProcessResult spare = RunProcess(job.Join(), 60);
  EXPECT_EQ(spare.exit_code, 1) << spare.out << spare.err;
  EXPECT_THAT(spare.err, HasSubstr("no rank of the job is left"));
  EXPECT_FALSE(std::filesystem::exists(job.counting().test().Path("checkpoints/scheduler")));
}

// So the newcomer does what is left.
TEST(JoiningTest, AWorkerJoinsAndTheOneThatWasThereLeaves) {
  OpenJob job({.rows = 6400}, 1, Timeouts(3, 30));
  Process worker(job.Join({"--role=worker"}));
  ASSERT_TRUE(job.run().WaitForOutput("worker 1 (joined", 20)) << worker.out() << worker.err();
  Sleep(0.3);
  job.SignalRank(3, SIGTERM);
  const ProcessResult result = job.ExpectGoodEnd();
  EXPECT_THAT(result.out, HasSubstr("worker 0 (rank 3"));
  EXPECT_THAT(result.out, HasSubstr("has left; the others go on"));
  const ProcessResult joined = worker.Wait(60);
  EXPECT_EQ(joined.exit_code, 0) << joined.out << joined.err;
}

TEST(JoiningTest, WhoIsNotOfTheJobIsRefusedAndToldWhy) {
  OpenJob job({.rows = 12'288}, 2, Timeouts(3, 30));
  const auto expect = [](const std::vector<std::string>& command, int exit_code, const std::string& why) {
    const ProcessResult result = RunProcess(command, 30);
    EXPECT_EQ(result.exit_code, exit_code) << result.out << result.err;
    EXPECT_THAT(result.err, HasSubstr(why));
  };
  const auto path = [&](const std::string& name) { return job.counting().test().Path(name); };
  const auto join = [](const std::string& file, const std::string& keys) {
    return OneProcess({"join", file, "--key_file=" + keys});
  };
  expect(OneProcess({"join", job.file()}), 2, "--key_file: is required to join");
  expect(join(job.file(), path("nothing")), 2, "No such file");
  ASSERT_TRUE(MakeKeyFile(path("others")).ok());
  expect(join(job.file(), path("others")), 2, "has other keys than the job");
  ASSERT_EQ(chmod(path("others").c_str(), 0640), 0);
  expect(join(job.file(), path("others")), 2, "others may read or write it");
  const std::string text = ReadOrDie(job.file());
  WriteOrDie(path("changed"), text + "# changed\n");
  expect(join(path("changed"), job.keys()), 2, "is not the file that the job was started with");
  proto::Job& other = job.counting().job();
  other.set_name("another");
  expect(join(job.counting().test().Write(), job.keys()), 2, "another job runs there: counting, not another");
  other.mutable_checkpoint()->set_dir(path("elsewhere"));
  expect(join(job.counting().test().Write(), job.keys()), 1, "no job runs that keeps its checkpoints beside");
  expect(job.Join({"--epochs=3"}), 2, "--epochs is not for join");
  expect(job.Join({"--role=scheduler"}), 2, "scheduler is not spare or worker");
  job.run().Signal(SIGTERM);
  EXPECT_EQ(job.run().Wait(100).exit_code, 1);
}

}  // namespace
}  // namespace sherd
