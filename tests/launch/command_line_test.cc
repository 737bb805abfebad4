#include <gmock/gmock.h>

#include <filesystem>

#include "base/file.h"
#include "launch/job_flags.h"
#include "launch/memory_budget.h"
#include "launch/role_plan.h"
#include "launch/roles.h"
#include "launch/temporary_dir.h"
#include "launch/verdict.h"

namespace sherd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JobFlags, OverrideTheFieldsOfTheirNames) {
  proto::Job job;
  job.mutable_train()->set_epochs(1);
  EXPECT_THAT(ApplyFlags({{"epochs", "5"}, {"servers", "2"}, {"consistency", "bsp"}, {"security", "none"}}, &job),
              ElementsAre());
  EXPECT_EQ(job.train().epochs(), 5);
  EXPECT_EQ(job.cluster().servers(), 2);
  EXPECT_EQ(job.train().consistency(), proto::Train::BSP);
  EXPECT_EQ(job.cluster().security(), proto::Cluster::NONE);
}

TEST(JobFlags, WrongValuesAreNamedAsFlagsAndAllAtOnce) {
  proto::Job job;
  EXPECT_THAT(ApplyFlags({{"epochs", "0"}, {"servers", "x"}, {"consistency", "maybe"}}, &job),
              ElementsAre("--epochs: 0 is outside 1..100000", "--servers: x is not a whole number",
                          "--consistency: maybe is not one of BSP, BOUNDED, ASYNC"));
}

// Every flag must lead to a field, or it dies in the hands of a user.
TEST(JobFlags, EachLeadsToAField) {
  for (const JobFlag& flag : JobFlags()) {
    proto::Job job;
    ApplyFlags({{flag.name, "1"}}, &job);
  }
}

TEST(JobFlags, PathsStartFromTheCurrentFolderOrFromTheFlagsDataDir) {
  const std::string here = std::filesystem::current_path().string();
  proto::Job job;
  EXPECT_THAT(ApplyFlags({{"train", "a.csv,/b.csv"}}, &job), ElementsAre());
  EXPECT_THAT(job.data().train(), ElementsAre(here + "/a.csv", "/b.csv"));
  // The order of the flags does not matter.
  EXPECT_THAT(ApplyFlags({{"train", "a.csv"}, {"data_dir", "d"}}, &job), ElementsAre());
  EXPECT_THAT(job.data().train(), ElementsAre("a.csv"));
  EXPECT_EQ(job.data().data_dir(), here + "/d");
}

TEST(JobFlags, AnEmptyPathIsAProblem) {
  proto::Job job;
  EXPECT_THAT(ApplyFlags({{"train", "a,,b"}, {"eval", ",b"}, {"data_dir", ""}}, &job),
              ElementsAre("--train: an empty path", "--eval: an empty path", "--data_dir: an empty path"));
  // No list at all is none of these: it takes the job's files away.
  job.mutable_data()->add_test("t");
  EXPECT_THAT(ApplyFlags({{"test", ""}}, &job), ElementsAre());
  EXPECT_EQ(job.data().test_size(), 0);
}

TEST(JobFlags, MemoryIsGivenAsPeopleWriteIt) {
  proto::Job job;
  EXPECT_THAT(ApplyFlags({{"memory_budget", "8G"}, {"spill_dir", "/nvme"}}, &job), ElementsAre());
  EXPECT_EQ(job.cluster().memory_budget(), 8589934592u);
  EXPECT_EQ(job.cluster().spill_dir(), "/nvme");
  EXPECT_THAT(ApplyFlags({{"memory_budget", "8 gigs"}, {"spill_dir", ""}}, &job),
              ElementsAre("--memory_budget: 8 gigs is no number of bytes; write 8G, 512M or 8589934592",
                          "--spill_dir: an empty path"));
}

TEST(MemoryBudget, IsTheJobsOrThisServersPartOfTheHosts) {
  proto::Cluster cluster;
  EXPECT_EQ(ServerMemoryBudget(cluster, 1000, 3), 300u);
  cluster.set_memory_budget(77);
  EXPECT_EQ(ServerMemoryBudget(cluster, 1000, 3), 77u);
  EXPECT_GT(HostMemory(), 1u << 26);
}

TEST(MemoryBudget, ACgroupsLimitIsTheLeastOfItsAncestors) {
  const auto dir = TemporaryDir::Make().value();
  const auto limit = [&](const std::string& folder, const std::string& file, const std::string& text) {
    std::filesystem::create_directories(dir->path() + folder);
    ASSERT_TRUE(WriteFileAtomically(dir->path() + folder + "/" + file, text).ok());
  };
  constexpr std::uint64_t kNone = ~std::uint64_t{0};
  EXPECT_EQ(CgroupMemory("0::/a/b\n", dir->path()), kNone);
  limit("/a/b", "memory.max", "max\n");
  EXPECT_EQ(CgroupMemory("0::/a/b\n", dir->path()), kNone);
  limit("/a", "memory.max", "5000\n");
  EXPECT_EQ(CgroupMemory("0::/a/b\n", dir->path()), 5000u);
  EXPECT_EQ(CgroupMemory("0::/other\n", dir->path()), kNone);
  // Version 1, where a container's own view of its path is another than the host's.
  limit("/memory", "memory.limit_in_bytes", "7000\n");
  EXPECT_EQ(CgroupMemory("9:cpu,memory:/docker/x\n3:pids:/a\n", dir->path()), 7000u);
  EXPECT_EQ(CgroupMemory("nonsense\n", dir->path()), kNone);
}

TEST(RolePlan, AnyThreeRanksOrMoreMakeAJob) {
  for (std::uint32_t ranks = 3; ranks <= 40; ++ranks) {
    const auto plan = PlanRoles(proto::Cluster(), ranks);
    ASSERT_TRUE(plan.ok()) << ranks;
    EXPECT_EQ(1 + plan->servers + plan->workers + plan->spares, ranks);
    EXPECT_GE(plan->servers, 1u);
    EXPECT_GE(plan->workers, plan->servers);
  }
  EXPECT_EQ(PlanRoles(proto::Cluster(), 10)->servers, 4u);
}

TEST(RolePlan, EachRankHasOneRole) {
  const RolePlan plan{.servers = 2, .workers = 3, .spares = 1};
  std::vector<std::string> names;
  for (std::uint32_t rank = 0; rank < 7; ++rank) names.push_back(RoleName(RoleOfRank(plan, rank)));
  EXPECT_THAT(names, ElementsAre("scheduler", "server 0", "server 1", "worker 0", "worker 1", "worker 2", "spare 0"));
}

TEST(RolePlan, TooFewRanksAreRefusedWithTheNumberThatWouldDo) {
  proto::Cluster cluster;
  EXPECT_THAT(PlanRoles(cluster, 2).status().text(), HasSubstr("use -np 3 or more"));
  cluster.set_servers(4);
  cluster.set_spares(1);
  EXPECT_FALSE(PlanRoles(cluster, 6).ok());
  EXPECT_THAT(PlanRoles(cluster, 6).status().text(), HasSubstr("use -np 7 or more"));
  EXPECT_EQ(PlanRoles(cluster, 7)->workers, 1u);
}

TEST(RolePlan, WorkersThatAreAskedForAreTheRestOrRefused) {
  proto::Cluster cluster;
  for (const bool servers : {false, true}) {
    if (servers) cluster.set_servers(3);
    for (std::uint32_t workers = 1; workers <= 9; ++workers) {
      std::uint32_t fitting = 0;
      for (std::uint32_t ranks = 29; ranks >= 3; --ranks) {
        const auto plan = PlanRoles(cluster, ranks);
        if (plan.ok() && plan->workers == workers) fitting = ranks;
      }
      EXPECT_EQ(PlanRoles(cluster, fitting, workers)->workers, workers);
      EXPECT_THAT(PlanRoles(cluster, 30, workers).status().text(),
                  HasSubstr("--workers=" + std::to_string(workers) + ": use -np " + std::to_string(fitting) + ","));
    }
  }
  EXPECT_EQ(PlanRoles(cluster, 7, 1).status().code(), ErrorCode::kInvalid);
}

TEST(Binding, EndpointsOfOneProcessDiffer) {
  const Binding ipc{.kind = Binding::Kind::kIpc, .where = "/tmp/x"},
      tcp{.kind = Binding::Kind::kTcp, .where = "10.0.0.1"};
  EXPECT_EQ(ipc.Endpoint("server-0-1"), "ipc:///tmp/x/server-0-1");
  EXPECT_EQ(tcp.Endpoint("server-0-1"), "tcp://10.0.0.1:*");
  EXPECT_EQ(Binding().Endpoint("a"), "inproc://a");
}

TEST(Verdict, OnlyWhatTheUserWroteIsTheUsersFault) {
  EXPECT_EQ(ExitCodeOf(Status()), 0);
  EXPECT_EQ(ExitCodeOf(Status::Invalid("x")), 2);
  EXPECT_EQ(ExitCodeOf(Status::BadData("x")), 1);
  EXPECT_EQ(ExitCodeOf(Status::Stopped("x")), 1);
}

}  // namespace
}  // namespace sherd
