// data.straggler: two workers, one of which is stopped every other half second.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

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
constexpr CountingJob::Shape kLong = {.rows = 12800}, kShort = {.rows = 6400};
void MakeHeavy(CountingJob* counting, std::uint32_t batch_size) {
  proto::Job& job = counting->job();
  job.mutable_model()->set_name("deepfm");
  for (int i = 0; i < 3; ++i) job.mutable_model()->mutable_tower()->add_hidden(400);
  job.mutable_train()->set_batch_size(batch_size);
  job.mutable_cluster()->set_compute_threads(1);
  job.clear_checkpoint();
}

constexpr int kNobody = -1;

// A run under mpirun with its workers on a core each: scheduler, servers, workers, by rank. In every other epoch the
// rank `stopped` is stopped for half of each period. The first epoch, in which nobody is, does not count: rows are made
// in it, and memory is touched for the first time.
struct PinnedRun {
  int servers = 1, workers = 1;
  int stopped = kNobody;
  int epochs = 2;
  std::chrono::milliseconds period{1000};
};

std::string MetricsOf(CountingJob* counting, const PinnedRun& run) {
  return counting->test().Path("metrics" + std::to_string(run.servers) + std::to_string(run.workers));
}

// Seconds of the epochs that count.
struct EpochTimes {
  std::vector<double> stopped, whole;
};

EpochTimes Train(CountingJob* counting, const PinnedRun& run) {
  counting->job().mutable_train()->set_epochs(static_cast<std::uint32_t>(run.epochs));
  const std::string metrics = MetricsOf(counting, run);
  std::filesystem::remove(metrics);
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
    const double half = std::chrono::duration<double>(run.period).count() / 2;
    for (int epochs = 0; !over; ++epochs) {
      bool stop = epochs % 2 == 1;
      while (!over && !WaitForEvent(metrics, "epoch", half, epochs + 1)) {
        ::kill(pids[0], stop ? SIGSTOP : SIGCONT);
        stop = !stop && epochs % 2 == 1;
      }
      ::kill(pids[0], SIGCONT);
    }
  });
  WaitForEvent(metrics, "epoch", 400, run.epochs);
  over = true;
  stopper.join();
  const ProcessResult result = process.Wait(60);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, ::testing::Not(::testing::HasSubstr("lost")));
  EpochTimes times;
  for (int epoch = 2; epoch <= run.epochs; ++epoch) {
    const EpochAccounts accounts = AccountsOf(metrics, epoch);
    EXPECT_EQ(accounts.trained, counting->good_rows());
    EXPECT_EQ(accounts.repeated, 0u);
    (run.stopped != kNobody && epoch % 2 == 0 ? times.stopped : times.whole).push_back(accounts.seconds);
  }
  return times;
}

double Median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
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

double Print(const char* what, const std::vector<double>& seconds) {
  std::printf("%s:", what);
  for (const double each : seconds) std::printf(" %.1f s", each);
  std::printf("\n");
  return Median(seconds);
}

// One worker alone makes r rows a second; two make 2 r, where each has a core of its own. Where cores share what they
// compute with they make less, down to r. One that is stopped half of the time leaves the other alone for that half, so
// the rate to come to is the mean of the two: 1.5 r for whole cores.
TEST(Faults, AnEpochEndsWithTheSumOfItsWorkersRates) {
  CountingJob counting(kLong);
  MakeHeavy(&counting, 3200);
  const PinnedRun one{.epochs = 3}, two{.workers = 2, .stopped = 3, .epochs = 7};
  // A machine that is shared does not stay as quick as it was: alone before, and after.
  std::vector<double> alone = Train(&counting, one).whole;
  const EpochTimes both = Train(&counting, two);
  for (const double seconds : Train(&counting, one).whole) alone.push_back(seconds);
  const double of_one = Print("one worker", alone), of_two = Print("two", both.whole);
  const double seconds = Print("two, one of them stopped half of the time", both.stopped);
  const double even = 2 / (1 / of_one + 1 / of_two);
  std::printf(
      "{\"case\": \"data.straggler\", \"value\": %.3f, \"unit\": \"s\", \"floor\": %.3f, \"ratio\": %.3f, "
      "\"two_to_one\": %.3f}\n",
      seconds, even, even / seconds, of_one / of_two);
  EXPECT_LE(seconds, 1.15 * even);
  const std::map<std::string, int> named = NamedSlow(MetricsOf(&counting, two));
  EXPECT_GT(named.at("worker 1"), 2) << "the metrics name who is stopped";
  EXPECT_LT(2 * named.at("worker 0"), named.at("worker 1"));
  EXPECT_EQ(named.at("shard 0"), 0) << "there is no other";
}

TEST(Faults, TheMetricsNameAShardThatIsStopped) {
  CountingJob counting(kShort);
  MakeHeavy(&counting, 1600);
  const PinnedRun run{.servers = 2, .stopped = 2, .period = std::chrono::milliseconds(400)};
  Train(&counting, run);
  const std::map<std::string, int> named = NamedSlow(MetricsOf(&counting, run));
  EXPECT_GT(named.at("shard 1"), 3);
  EXPECT_LT(named.at("shard 0"), named.at("shard 1") / 4);
}

}  // namespace
}  // namespace sherd
