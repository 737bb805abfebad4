// data.straggler: two workers, one of which is stopped every other half second.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

constexpr char kRank[] = "OMPI_COMM_WORLD_RANK";

void Pin(pid_t pid, int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    ::sched_setaffinity(std::stoi(thread.path().filename()), sizeof cores, &cores);
  }
}

// Much to compute and little for a server, so that the cores are the workers': a minibatch pulls and pushes all dense
// blocks, so short ones are the server's work.
void MakeHeavy(CountingJob* counting) {
  proto::Job& job = counting->job();
  job.mutable_model()->set_name("deepfm");
  for (int i = 0; i < 3; ++i) job.mutable_model()->mutable_tower()->add_hidden(400);
  job.mutable_train()->set_batch_size(1600);
  job.mutable_cluster()->set_compute_threads(1);
  job.mutable_train()->set_epochs(2);
  job.clear_checkpoint();
}

constexpr int kNobody = -1;

// A run under mpirun with its workers on a core each: scheduler, servers, workers, by rank. The rank `stopped` is
// stopped for half of each period of the second epoch, the one that counts: in the first, rows are made, and memory is
// touched for the first time.
struct PinnedRun {
  int servers = 1, workers = 1;
  int stopped = kNobody;
  std::chrono::milliseconds period{1000};
};

std::string MetricsOf(CountingJob* counting, const PinnedRun& run) {
  return counting->test().Path("metrics" + std::to_string(run.servers) + std::to_string(run.workers));
}

EpochAccounts Train(CountingJob* counting, const PinnedRun& run) {
  const std::string metrics = MetricsOf(counting, run);
  Process process(UnderMpirun(1 + run.servers + run.workers, {"train", counting->test().Write(), "--metrics=" + metrics,
                                                              "--servers=" + std::to_string(run.servers)}));
  EXPECT_TRUE(WaitForEvent(metrics, "start", 60)) << process.out() << process.err();
  for (int worker = 0; worker < run.workers; ++worker) {
    for (const pid_t pid : process.Descendants(kRank, std::to_string(1 + run.servers + worker))) Pin(pid, worker);
  }
  std::atomic<bool> over = false;
  std::thread stopper([&] {
    if (run.stopped == kNobody) return;
    const std::vector<pid_t> pids = process.Descendants(kRank, std::to_string(run.stopped));
    if (pids.size() != 1) return;
    WaitForEvent(metrics, "epoch", 200);
    for (bool stop = true; !over; stop = !stop) {
      ::kill(pids[0], stop ? SIGSTOP : SIGCONT);
      std::this_thread::sleep_for(run.period / 2);
    }
    ::kill(pids[0], SIGCONT);
  });
  WaitForEvent(metrics, "epoch", 400, 2);
  over = true;
  stopper.join();
  const ProcessResult result = process.Wait(60);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, ::testing::Not(::testing::HasSubstr("lost")));
  const EpochAccounts accounts = AccountsOf(metrics, 2);
  EXPECT_EQ(accounts.trained, counting->good_rows());
  EXPECT_EQ(accounts.repeated, 0u);
  return accounts;
}

// How often progress lines say that a worker or shard is slow.
std::map<std::string, int> NamedSlow(const std::string& metrics) {
  std::map<std::string, int> named;
  std::ifstream in(metrics);
  for (std::string line; std::getline(in, line);) {
    const std::size_t slow = line.find("\"slow\":[");
    if (slow == std::string::npos) continue;
    const std::string names = line.substr(slow, line.find(']', slow) - slow);
    for (const char* name : {"worker 0", "worker 1", "shard 0", "shard 1"}) {
      named[name] += names.find(name) != std::string::npos ? 1 : 0;
    }
  }
  return named;
}

TEST(Faults, AnEpochEndsWithTheSumOfItsWorkersRates) {
  CountingJob counting({.rows = 6400});
  MakeHeavy(&counting);
  const PinnedRun two{.workers = 2, .stopped = 3};
  // A machine that is shared does not stay as quick as it was: alone before, and after.
  const double before = Train(&counting, {}).seconds, seconds = Train(&counting, two).seconds;
  const double after = Train(&counting, {}).seconds;
  const double even = (before + after) / 2 / 1.5;
  std::printf("{\"case\": \"data.straggler\", \"value\": %.3f, \"unit\": \"s\", \"floor\": %.3f, \"ratio\": %.3f}\n",
              seconds, even, even / seconds);
  EXPECT_LE(seconds, 1.15 * even);
  const std::map<std::string, int> named = NamedSlow(MetricsOf(&counting, two));
  EXPECT_GT(named.at("worker 1"), 2) << "the metrics name who is stopped";
  EXPECT_LT(2 * named.at("worker 0"), named.at("worker 1"));
  EXPECT_EQ(named.at("shard 0"), 0) << "there is no other";
}

TEST(Faults, TheMetricsNameAShardThatIsStopped) {
  CountingJob counting({.rows = 6400});
  MakeHeavy(&counting);
  const PinnedRun run{.servers = 2, .stopped = 2, .period = std::chrono::milliseconds(400)};
  Train(&counting, run);
  const std::map<std::string, int> named = NamedSlow(MetricsOf(&counting, run));
  EXPECT_GT(named.at("shard 1"), 3);
  EXPECT_LT(named.at("shard 0"), named.at("shard 1") / 4);
}

}  // namespace
}  // namespace sherd
