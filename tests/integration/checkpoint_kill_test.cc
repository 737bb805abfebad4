// Runs that are killed at random moments, most of them while a checkpoint is written: whatever the moment, the newest
// checkpoint that is found is whole, no older than one whose manifest was there before, and goes on to the bits of a
// run that was left alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "launch/checkpoint_choice.h"
#include "tests/integration/checkpoint_folder.h"
#include "tests/integration/checkpoint_watch.h"
#include "tests/integration/job_run.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using Stage = CheckpointWatch::Stage;
using std::chrono::microseconds;

constexpr std::uint32_t kWorkers = 2;
constexpr double kPatience = 60;  // seconds for what takes a few

// What is done to one run, all of it a function of the seed and of how many came before.
struct Moment {
  std::uint32_t servers = 1;
  bool mpirun = false;
  std::uint64_t checkpoint = 1;  // of those that the run makes, the one that it is killed at …
  Stage stage = Stage::kFolder;  // … when it is here …
  microseconds delay{0};         // … and so much later
  bool from_start = false;       // no: so long after the start
  int victim = -1;               // rank; -1: all
  microseconds grace{0};         // of the others; negative: they end by themselves

  std::string text() const {
    const std::map<Stage, std::string> names = {
        {Stage::kFolder, "folder"}, {Stage::kFile, "first file"}, {Stage::kManifest, "manifest"}};
    std::string text = std::to_string(servers) + " servers " + (mpirun ? "under mpirun" : "in one process") + ", ";
    text += victim < 0 ? "all" : "rank " + std::to_string(victim);
    text += " killed " + std::to_string(delay.count()) + " us after ";
    text += from_start ? "the start" : names.at(stage) + " of checkpoint " + std::to_string(checkpoint);
    if (victim >= 0 && grace.count() >= 0) text += ", the others " + std::to_string(grace.count()) + " us later";
    return text;
  }
};

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::uint32_t Below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  double Share() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  // Of every length of time about as many.
  microseconds Between(double least, double most) {
    return microseconds(static_cast<std::int64_t>(least * std::pow(most / least, Share())));
  }

  // A run is killed at one of its first so many checkpoints.
  Moment Throw(std::uint32_t checkpoints) {
    Moment moment;
    moment.servers = 1 + Below(3);
    moment.mpirun = Below(3) > 0;
    moment.checkpoint = 1 + Below(checkpoints);
    const std::uint32_t when = Below(10);
    moment.from_start = when == 0;
    moment.stage = when < 3 ? Stage::kFolder : when < 8 ? Stage::kFile : Stage::kManifest;
    const double most = moment.from_start ? 3e6 : moment.stage == Stage::kFolder ? 1e6 : 2e4;
    moment.delay = Between(10, most);
    if (moment.mpirun && Below(4) > 0) moment.victim = static_cast<int>(Below(1 + moment.servers + kWorkers));
    moment.grace = Below(8) == 0 ? microseconds(-1) : Between(10, 1e6);
    if (moment.grace < microseconds(0)) {
      // Without one of its workers alone a job goes on, to other bits.
      if (moment.victim > static_cast<int>(moment.servers)) moment.victim = 1;
      // A rank that is lost within MPI's own start leaves the others waiting there.
      if (moment.from_start) moment.victim = -1;
    }
    return moment;
  }

 private:
  std::mt19937_64 random_;
};

struct Chain {
  std::uint64_t seed;
  int moments;
  bool long_epochs;  // cuts stand inside an epoch, and not at its end
};

std::ostream& operator<<(std::ostream& out, const Chain& chain) { return out << "seed " << chain.seed; }

class CheckpointKillTest : public ::testing::TestWithParam<Chain> {
 protected:
  CheckpointKillTest() : test_("adult_deepfm"), dice_(GetParam().seed) {
    const bool long_epochs = GetParam().long_epochs;
    test_.Shorten(long_epochs ? 30'000 : 2'000);
    proto::Job& job = test_.job();
    job.mutable_data()->clear_test();
    job.mutable_model()->set_embedding_dim(256);
    job.mutable_model()->mutable_tower()->clear_hidden();
    job.mutable_model()->mutable_tower()->add_hidden(32);
    job.mutable_model()->mutable_tower()->set_dropout(0.2);
    job.mutable_train()->set_consistency(proto::Train::BSP);
    job.mutable_train()->set_max_in_flight(1);
    job.mutable_train()->set_batch_size(long_epochs ? 16 : 64);
    job.mutable_train()->set_epochs(1000);
    job.mutable_evaluation()->clear_patience();
    job.mutable_evaluation()->set_restore_best(GetParam().seed % 2 == 0);
    job.mutable_cluster()->set_workers(kWorkers);
    job.mutable_checkpoint()->set_every_rows(100);
    job.mutable_checkpoint()->set_keep(2);
    job.mutable_checkpoint()->set_full_every(3);
    environment_ = {{"TMPDIR", test_.Path("tmp")}};  // who is killed leaves sockets behind
    std::filesystem::create_directory(test_.Path("tmp"));
  }

  std::string checkpoints() const { return test_.Path("checkpoints"); }

  std::vector<std::string> Command(std::uint32_t servers, bool mpirun, const std::string& dir,
                                   std::vector<std::string> flags = {}) {
    test_.job().mutable_checkpoint()->set_dir(test_.Path(dir));
    flags.insert(flags.begin(), {"train", test_.Write(), "--servers=" + std::to_string(servers),
                                 "--metrics=" + test_.Path(dir + ".metrics")});
    return mpirun ? UnderMpirun(static_cast<int>(1 + servers + kWorkers), flags) : OneProcess(flags);
  }

  // The process to be killed. 0: it has ended before.
  static pid_t Find(Process* process, const Moment& moment) {
    if (!moment.mpirun) return process->pid();
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(kPatience);
    while (std::chrono::steady_clock::now() < until) {
      const auto found = process->Descendants("OMPI_COMM_WORLD_RANK", std::to_string(std::max(moment.victim, 0)));
      if (!found.empty()) return found[0];
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return 0;
  }

  // Those too that are being started meanwhile.
  static void KillAll(Process* process) {
    ::kill(process->pid(), SIGKILL);
    for (auto pids = process->Descendants(); !pids.empty(); pids = process->Descendants()) {
      for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    }
  }

  void Kill(const Moment& moment) {
    // How soon the scheduler misses the one, or the others the scheduler, where they are left to themselves.
    test_.job().mutable_cluster()->set_heartbeat_timeout(moment.grace.count() < 0 ? 3 : 30);
    test_.job().mutable_cluster()->set_request_timeout(moment.grace.count() < 0 ? 15 : 60);
    CheckpointWatch watch(checkpoints());
    Process process(Command(moment.servers, moment.mpirun, "checkpoints", {"--resume"}), environment_);
    const pid_t victim = Find(&process, moment);
    ASSERT_NE(victim, 0) << process.err();
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(kPatience);
    const auto give_up = [&] { return std::chrono::steady_clock::now() > until || process.Descendants().empty(); };
    if (!moment.from_start) {
      ASSERT_TRUE(watch.Wait(moment.stage, moment.checkpoint, give_up)) << process.out() << process.err();
    }
    std::this_thread::sleep_for(moment.delay);
    ::kill(victim, SIGKILL);
    if (moment.victim >= 0) std::this_thread::sleep_for(std::max(moment.grace, microseconds(0)));
    if (moment.victim < 0 || moment.grace.count() >= 0) KillAll(&process);
    const ProcessResult run = process.Wait(kPatience);
    EXPECT_NE(run.exit_code, 0) << run.out << run.err;
    EXPECT_NE(run.exit_code, -1) << "did not end: " << run.out << run.err;
    EXPECT_THAT(run.left, IsEmpty());
    ++found_[watch.Describe()];
    newest_whole_ = std::max(newest_whole_, watch.newest_whole());
  }

  // Whatever looks like a checkpoint is one, and none is lost.
  void ExpectWholeCheckpoints() {
    const Result<std::uint64_t> newest = ReadCheckpoints(checkpoints());
    ASSERT_TRUE(newest.ok()) << newest.status().text();
    EXPECT_GE(*newest, newest_whole_) << "a checkpoint that was there is lost";
    newest_whole_ = *newest;
    const proto::JobState state = ChooseCheckpoint(checkpoints()).manifest.state();
    EXPECT_GE(state.rows(), rows_) << "an older one is taken";
    rows_ = state.rows();
    epoch_ = state.epoch();
  }

  // The metrics of each epoch that a run has evaluated, as its metrics file has them.
  std::set<std::string> Figures(const std::string& dir) {
    std::set<std::string> figures;
    for (const std::string& line : Lines(ReadOrDie(test_.Path(dir + ".metrics")))) {
      if (line.find("\"event\":\"evaluation\"") == std::string::npos) continue;
      const std::size_t epoch = line.find("\"epoch\""), metrics = line.find("\"metrics\"");
      figures.insert(line.substr(epoch, line.find(',', epoch) - epoch) + " " +
                     line.substr(metrics, line.find('}', metrics) - metrics));
    }
    return figures;
  }

  TestJob test_;
  Dice dice_;
  std::map<std::string, std::string> environment_;
  std::map<std::string, int> found_;  // what of the newest checkpoint was there after how many kills
  std::uint64_t newest_whole_ = 0, rows_ = 0;
  std::uint32_t epoch_ = 0;
};

TEST_P(CheckpointKillTest, GoesOnToTheBitsOfAnUndisturbedRunWheneverItIsKilled) {
  for (int i = 0; i < GetParam().moments; ++i) {
    const Moment moment = dice_.Throw(GetParam().long_epochs ? 2 : 6);
    SCOPED_TRACE("seed " + std::to_string(GetParam().seed) + ", moment " + std::to_string(i) + ": " + moment.text());
    std::cout << "moment " << i << ": " << moment.text() << std::endl;
    Kill(moment);
    ExpectWholeCheckpoints();
    if (HasFailure()) return;
  }
  for (const auto& [what, times] : found_) std::cout << times << " x " << what << "; ";
  std::cout << "killed in epoch " << epoch_ + 1 << std::endl;

  test_.job().mutable_cluster()->set_heartbeat_timeout(30);
  test_.job().mutable_cluster()->set_request_timeout(60);
  const std::string epochs = "--epochs=" + std::to_string(epoch_ + 2);
  const std::string start = newest_whole_ > 0 ? "resuming from " + ChooseCheckpoint(checkpoints()).dir : "starting";
  const ProcessResult rest = RunProcess(Command(1 + dice_.Below(3), false, "checkpoints", {"--resume", epochs}), 200);
  ASSERT_EQ(rest.exit_code, 0) << rest.out << rest.err;
  EXPECT_THAT(rest.out, HasSubstr(start));
  const Status clean = CheckNothingLeftBehind(checkpoints());
  EXPECT_TRUE(clean.ok()) << clean.text();
  const ProcessResult whole = RunProcess(Command(1, false, "undisturbed", {epochs}), 200);
  ASSERT_EQ(whole.exit_code, 0) << whole.out << whole.err;
  const std::string undisturbed = CheckpointContents(test_.Path("undisturbed"));
  ASSERT_GT(Lines(undisturbed).size(), 100);
  EXPECT_TRUE(CheckpointContents(checkpoints()) == undisturbed);
  const auto figures = Figures("checkpoints"), expected = Figures("undisturbed");
  ASSERT_FALSE(figures.empty());
  EXPECT_THAT(expected, IsSupersetOf(figures));
}

std::vector<Chain> Chains(std::uint64_t first_seed, int count, int moments, bool long_epochs) {
  std::vector<Chain> chains;
  for (int i = 0; i < count; ++i) {
    chains.push_back(
        {.seed = first_seed + static_cast<std::uint64_t>(i), .moments = moments, .long_epochs = long_epochs});
  }
  return chains;
}

std::string NameOf(const ::testing::TestParamInfo<Chain>& info) {
  return (info.param.long_epochs ? "InsideEpochsSeed" : "BetweenEpochsSeed") + std::to_string(info.param.seed);
}

INSTANTIATE_TEST_SUITE_P(Few, CheckpointKillTest, ::testing::ValuesIn(Chains(1, 1, 6, false)), NameOf);
INSTANTIATE_TEST_SUITE_P(FaultsBetweenEpochs, CheckpointKillTest, ::testing::ValuesIn(Chains(100, 13, 10, false)),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(FaultsInsideEpochs, CheckpointKillTest, ::testing::ValuesIn(Chains(200, 7, 10, true)), NameOf);

}  // namespace
}  // namespace sherd
