#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "launch/doctor/findings.h"
#include "launch/doctor/host_probe.h"
#include "launch/doctor/link_probe.h"
#include "launch/temporary_dir.h"
#include "net/zmq_network.h"

namespace sherd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::uint64_t kGiga = std::uint64_t{1} << 30;

proto::HostReport GoodHost(const std::string& name) {
  proto::HostReport host;
  host.set_host(name);
  host.set_endpoint("tcp://" + name + ":1");
  host.set_program_hash(1);
  host.set_job_hash(2);
  host.set_file_limit(100000);
  host.set_huge_pages("madvise");
  host.set_memory(8 * kGiga);
  host.set_free_memory(6 * kGiga);
  host.set_copy_rate(8e9);
  proto::DiskReport* const disk = host.add_disk();
  disk->set_purpose("checkpoint.dir");
  disk->set_path("/shared/checkpoints");
  disk->set_free(100 * kGiga);
  disk->set_write_rate(500e6);
  disk->set_sees_mark(true);
  return host;
}

// The scheduler and a server on host a, two workers on host b, and nothing wrong with them.
Examination Good() {
  Examination examination;
  examination.job.mutable_checkpoint()->set_dir("/shared/checkpoints");
  examination.roles = {.servers = 1, .workers = 2, .spares = 0};
  examination.tcp = true;
  examination.hosts = {GoodHost("a"), GoodHost("a"), GoodHost("b"), GoodHost("b")};
  examination.reach.resize(4);
  for (std::uint32_t from = 0; from < 4; ++from) {
    for (std::uint32_t to = 0; to < 4; ++to) {
      if (from == to) continue;
      proto::LinkReport* const link = examination.reach[from].add_link();
      link->set_to(to);
      link->set_round_trip(1e-4);
      link->set_rate(1e9);
      link->set_clock_offset(0.01);
    }
  }
  return examination;
}

TEST(DoctorFindings, NothingIsWrongWithAGoodCluster) {
  EXPECT_THAT(Problems(Good()), IsEmpty());
  std::ostringstream out;
  PrintExamination(Good(), out);
  EXPECT_THAT(out.str(), HasSubstr("worker 1"));
  EXPECT_THAT(out.str(), HasSubstr("round trip, microseconds"));
  EXPECT_THAT(out.str(), HasSubstr("1000"));  // MB/s
  EXPECT_THAT(out.str(), Not(HasSubstr("NONE")));
}

// What is the matter with host b, whose two ranks say the same.
struct Case {
  std::function<void(proto::HostReport*)> spoil;
  const char* says;
};

TEST(DoctorFindings, EachSaysOnceWhichHostAndWhatToDo) {
  const Case cases[] = {
      {[](auto* host) { host->set_program_hash(9); }, "install the same build"},
      {[](auto* host) { host->set_job_hash(9); }, "another text of the job file than on host a"},
      {[](auto* host) { host->set_job_problem("open job.pbtxt: no such file"); }, "no such file): put it"},
      {[](auto* host) { host->set_address_problem("no interface eth9"); }, "eth9: see cluster.interface"},
      {[](auto* host) { host->set_file_limit(1024); }, "ulimit -Hn"},
      {[](auto* host) { host->set_huge_pages("never"); }, "echo madvise"},
      {[](auto* host) { host->set_copy_rate(2e8); }, "copied at 200 MB/s"},
      {[](auto* host) { host->set_free_memory(1 << 20); }, "only 1.0 MiB of memory"},
      {[](auto* host) { host->mutable_disk(0)->set_free(1 << 20); }, "only 1.0 MiB are free: make room"},
      {[](auto* host) { host->mutable_disk(0)->set_write_rate(5e6); }, "written at 5 MB/s"},
      {[](auto* host) { host->mutable_disk(0)->set_problem("permission denied"); }, "permission denied"},
      {[](auto* host) { host->mutable_disk(0)->set_sees_mark(false); }, "not the folder that host a has"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.says);
    Examination examination = Good();
    each.spoil(&examination.hosts[2]);
    each.spoil(&examination.hosts[3]);
    const auto problems = Problems(examination);
    ASSERT_THAT(problems, SizeIs(1));
    EXPECT_THAT(problems[0], ::testing::StartsWith("host b: "));
    EXPECT_THAT(problems[0], HasSubstr(each.says));
  }
}

TEST(DoctorFindings, TheSlowestRankOfAHostSpeaksForAll) {
  Examination examination = Good();
  examination.hosts[2].set_copy_rate(3e8);
  examination.hosts[3].set_copy_rate(2e8);
  examination.hosts[2].mutable_disk(0)->set_write_rate(4e6);
  examination.hosts[3].mutable_disk(0)->set_write_rate(5e6);
  EXPECT_THAT(Problems(examination),
              ElementsAre(HasSubstr("host b: memory is copied at 200 MB/s"), HasSubstr("is written at 4 MB/s")));
}

TEST(DoctorFindings, AFolderOfItsOwnIsWhatServerDirAllows) {
  Examination examination = Good();
  examination.hosts[3].mutable_disk(0)->set_sees_mark(false);
  examination.job.mutable_checkpoint()->set_server_dir("/local");
  EXPECT_THAT(Problems(examination), IsEmpty());
}

TEST(DoctorFindings, LinksAreJudgedByPairsOfRanksAndHosts) {
  Examination examination = Good();
  proto::LinkReport* const link = examination.reach[2].mutable_link(1);
  ASSERT_EQ(link->to(), 1u);
  link->set_problem("no answer within 4.0 s");
  EXPECT_THAT(Problems(examination),
              ElementsAre(HasSubstr("rank 2 on host b to rank 1 on host a: no connection (no answer within 4.0 s)")));
  std::ostringstream out;
  PrintExamination(examination, out);
  EXPECT_THAT(out.str(), HasSubstr("NONE"));
  examination.tcp = false;  // over ipc nobody needs it
  EXPECT_THAT(Problems(examination), IsEmpty());

  examination = Good();
  examination.reach[2].mutable_link(1)->set_clock_offset(-7.2);
  EXPECT_THAT(Problems(examination), ElementsAre(HasSubstr("host b to host a: the clocks differ by about 7 s")));
  examination = Good();
  examination.reach[2].mutable_link(0)->set_rate(2e6);
  examination.reach[2].mutable_link(1)->set_rate(1e6);  // the same link, by another rank
  EXPECT_THAT(Problems(examination), ElementsAre(HasSubstr("host b to host a: the link carries 1 MB/s")));
}

TEST(DoctorFindings, ServersOfAHostShareItsMemory) {
  Examination examination = Good();
  examination.job.mutable_cluster()->set_memory_budget(7 * kGiga);
  EXPECT_THAT(Problems(examination), ElementsAre(HasSubstr("host a: its servers' tables may take 7.0 GiB together")));
  examination.job.mutable_cluster()->set_memory_budget(5 * kGiga);
  EXPECT_THAT(Problems(examination), IsEmpty());
}

TEST(DoctorProbes, ALinkIsMeasuredAndAMissingOneSaid) {
  auto network = ZmqNetwork::Create({.job = 7, .keys = MakeCurveKeys(), .linger = std::chrono::milliseconds(0)});
  ASSERT_TRUE(network.ok());
  auto echo = LinkEcho::Start(network->get(), "tcp://127.0.0.1:*");
  ASSERT_TRUE(echo.ok()) << echo.status().text();
  const proto::LinkReport link = ProbeLink(network->get(), (*echo)->endpoint());
  EXPECT_FALSE(link.has_problem()) << link.problem();
  EXPECT_GT(link.rate(), 1e6);
  EXPECT_LT(link.round_trip(), 1);
  EXPECT_LT(std::abs(link.clock_offset()), 1);
  const std::string endpoint = (*echo)->endpoint();
  echo->reset();
  EXPECT_THAT(ProbeLink(network->get(), endpoint).problem(), HasSubstr("no answer within 4.0 s"));
}

TEST(DoctorProbes, AHostIsMeasuredAndNothingIsLeftInItsFolders) {
  const auto folder = TemporaryDir::Make().value();
  const std::string job_file = folder->path() + "/job.pbtxt", checkpoints = folder->path() + "/checkpoints";
  std::ofstream(job_file) << "name: \"small\"\n";
  proto::Job job;
  job.mutable_checkpoint()->set_dir(checkpoints);
  {
    const SharedFolderMark mark(job, 11);
    const proto::HostReport host = ProbeHost(job, job_file, 11);
    EXPECT_NE(host.program_hash(), 0u);
    EXPECT_NE(host.job_hash(), 0u);
    EXPECT_GT(host.copy_rate(), 1e6);
    ASSERT_THAT(host.disk(), SizeIs(1));
    EXPECT_TRUE(host.disk(0).sees_mark());
    EXPECT_GT(host.disk(0).write_rate(), 0) << host.disk(0).problem();
    EXPECT_FALSE(ProbeHost(job, job_file, 12).disk(0).sees_mark());
    EXPECT_THAT(ProbeHost(job, job_file + "x", 11).job_problem(), HasSubstr("job.pbtxtx"));
  }
  EXPECT_FALSE(std::filesystem::exists(checkpoints));
  std::filesystem::create_directory(checkpoints);
  { const SharedFolderMark mark(job, 11); }
  EXPECT_TRUE(std::filesystem::is_empty(checkpoints));
}

}  // namespace
}  // namespace sherd
