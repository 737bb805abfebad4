// A job on three hosts, started by mpirun over ssh, one of which is cut off from the others for a while.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/integration/counting_job.h"
#include "tests/integration/disturbed_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// See three_hosts.sh.
class ThreeHosts {
 public:
  explicit ThreeHosts(std::string dir) : dir_(std::move(dir)) {}
  ~ThreeHosts() { Call("down"); }

  ProcessResult Call(const std::string& verb, const std::vector<std::string>& arguments = {}) const {
    return RunProcess(Command(verb, arguments), 30);
  }
  std::vector<std::string> Command(const std::string& verb, const std::vector<std::string>& arguments) const {
    std::vector<std::string> command = {SHERD_SOURCE_DIR "/tests/integration/three_hosts.sh", verb, dir_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }
  // Rank r is on host r % 3 + 1, mpirun on the first.
  std::vector<std::string> UnderMpirun(int ranks, const std::vector<std::string>& arguments) const {
    std::vector<std::string> command = {"1", "env", "-C", dir_};
    for (const std::string& word : sherd::UnderMpirun(ranks, {})) command.push_back(word);
    for (const char* word : {"--hostfile", "hosts", "--mca", "plm_rsh_agent"}) command.emplace_back(word);
    command.push_back(dir_ + "/ssh");
    command.insert(command.end(), arguments.begin(), arguments.end());
    return Command("at", command);
  }

 private:
  const std::string dir_;
};

TEST(Faults, AHostThatIsCutOffAndComesBackCostsNothing) {
  CountingJob counting({.files = 200, .rows = 12'288});
  counting.job().mutable_train()->set_epochs(3);
  const ThreeHosts hosts(counting.test().Path(""));
  if (const ProcessResult made = hosts.Call("up"); made.exit_code == 77) {
    GTEST_SKIP() << made.out;
  } else {
    ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
  }
  const std::string metrics = counting.test().Path("metrics");
  // Scheduler and a worker on the first host, a server and a worker on each other one.
  Process process(
      hosts.UnderMpirun(6, {"train", counting.test().Write(), "--metrics=" + metrics, "--servers=2", "--replicas=2"}));
  ASSERT_TRUE(WaitForEvent(metrics, "progress", 120)) << process.out() << process.err();
  ASSERT_EQ(hosts.Call("cut", {"3"}).exit_code, 0);
  EXPECT_TRUE(process.WaitForOutput("lost (no heartbeat", 20)) << process.out() << process.err();
  std::this_thread::sleep_for(std::chrono::seconds(20));
  ASSERT_EQ(hosts.Call("heal", {"3"}).exit_code, 0);
  const ProcessResult run = process.Wait(300);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("server 1 (rank 2"));
  EXPECT_THAT(run.out, HasSubstr("worker 2 (rank 5"));
  EXPECT_THAT(run.err, HasSubstr("taken for lost"));
  EXPECT_EQ(counting.WrongCounts(3), "");
  EXPECT_EQ(AccountsOf(metrics, 3).trained, counting.good_rows());
  EXPECT_THAT(hosts.Call("left").out, IsEmpty()) << "nobody stays behind on any host";
}

}  // namespace
}  // namespace sherd
