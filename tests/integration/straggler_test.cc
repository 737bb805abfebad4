// data.straggler: two workers, one of which is stopped every other half second.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <filesystem>
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

// Much to compute and little for a server, so that the cores are the workers'.
void MakeHeavy(CountingJob* counting) {
  proto::Job& job = counting->job();
  job.mutable_model()->set_name("deepfm");
  for (int i = 0; i < 3; ++i) job.mutable_model()->mutable_tower()->add_hidden(256);
  job.mutable_train()->set_batch_size(256);
  job.mutable_cluster()->set_compute_threads(1);
  job.clear_checkpoint();
}

// Trains with so many workers, worker i on core i; the second one is stopped every other half second.
EpochAccounts Train(CountingJob* counting, int workers) {
  const std::string metrics = counting->test().Path("metrics" + std::to_string(workers));
  Process process(UnderMpirun(2 + workers, {"train", counting->test().Write(), "--metrics=" + metrics, "--servers=1"}));
  EXPECT_TRUE(WaitForEvent(metrics, "start", 60)) << process.out() << process.err();
  std::vector<pid_t> pids;
  for (int worker = 0; worker < workers; ++worker) {
    for (const pid_t pid : process.Descendants(kRank, std::to_string(2 + worker))) {
      pids.push_back(pid);
      Pin(pid, worker);
    }
  }
  std::atomic<bool> over = false;
  std::thread stopper([&] {
    if (pids.size() < 2) return;
    WaitForEvent(metrics, "progress", 60);
    for (bool stop = true; !over; stop = !stop) {
      ::kill(pids[1], stop ? SIGSTOP : SIGCONT);
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    ::kill(pids[1], SIGCONT);
  });
  WaitForEvent(metrics, "epoch", 200);
  over = true;
  stopper.join();
  const ProcessResult run = process.Wait(60);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, ::testing::Not(::testing::HasSubstr("lost")));
  const EpochAccounts accounts = AccountsOf(metrics);
  EXPECT_EQ(accounts.trained, counting->good_rows());
  EXPECT_EQ(accounts.repeated, 0u);
  return accounts;
}

TEST(Faults, AnEpochEndsWithTheSumOfItsWorkersRates) {
  CountingJob counting({.rows = 6400});
  MakeHeavy(&counting);
  const double rows = static_cast<double>(counting.good_rows());
  const double rate = rows / Train(&counting, 1).seconds;
  const double seconds = Train(&counting, 2).seconds, even = rows / (1.5 * rate);
  std::printf("{\"case\": \"data.straggler\", \"value\": %.3f, \"unit\": \"s\", \"floor\": %.3f, \"ratio\": %.3f}\n",
              seconds, even, even / seconds);
  EXPECT_LE(seconds, 1.15 * even);
}

}  // namespace
}  // namespace sherd
