#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "launch/chaos/plan.h"

namespace sherd {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr RolePlan kRoles{.servers = 4, .workers = 3, .spares = 1};

ChaosPlan Parsed(const std::string& text, const std::string& seed = "1") {
  const Result<ChaosPlan> plan = ParseChaos(text, seed);
  EXPECT_TRUE(plan.ok()) << plan.status().text();
  return plan.ok() ? *plan : ChaosPlan();
}

std::string Problem(const std::string& text, const std::string& seed = "1") {
  const Result<ChaosPlan> plan = ParseChaos(text, seed);
  EXPECT_FALSE(plan.ok()) << text;
  return plan.status().text();
}

TEST(ChaosPlan, SaysWhatGoesWrong) {
  const ChaosPlan plan = Parsed("kill:server:30s,stall:worker2:1.5s:2m,drop:1%,delay:20ms,dup:0.02,corrupt:0.1%", "7");
  EXPECT_EQ(plan.faults.seed, 7u);
  EXPECT_DOUBLE_EQ(plan.faults.drop, 0.01);
  EXPECT_DOUBLE_EQ(plan.faults.duplicate, 0.02);
  EXPECT_DOUBLE_EQ(plan.faults.corrupt, 0.001);
  EXPECT_DOUBLE_EQ(plan.faults.delay, 1);
  EXPECT_EQ(plan.faults.min_delay, milliseconds(20));
  EXPECT_EQ(plan.faults.max_delay, milliseconds(20));
  ASSERT_THAT(plan.acts, SizeIs(2));
  EXPECT_EQ(plan.acts[0].role, proto::SERVER);
  EXPECT_FALSE(plan.acts[0].index);
  EXPECT_EQ(plan.acts[0].after, milliseconds(30000));
  EXPECT_EQ(plan.acts[0].stall, milliseconds(0));
  EXPECT_EQ(plan.acts[1].index, 2u);
  EXPECT_EQ(plan.acts[1].stall, milliseconds(1500));
  EXPECT_EQ(plan.acts[1].after, milliseconds(120000));
  EXPECT_DOUBLE_EQ(Parsed("delay:3ms:50%").faults.delay, 0.5);
  EXPECT_FALSE(Parsed("kill:worker:0s").faults.any());
}

TEST(ChaosPlan, NamesTheEntryAndTheCharacterThatAreWrong) {
  EXPECT_THAT(Problem("drop:1%,kil:server:30s"), HasSubstr("at character 9, 'kil'"));
  EXPECT_THAT(Problem("kill:srv:30s"), HasSubstr("at character 6, 'srv'"));
  EXPECT_THAT(Problem("kill:server1x:30s"), HasSubstr("'server1x'"));
  EXPECT_THAT(Problem("kill:server:30"), HasSubstr("at character 13, '30': a time"));
  EXPECT_THAT(Problem("kill:server"), HasSubstr("write kill:ROLE:TIME"));
  EXPECT_THAT(Problem("kill:server:30s:1s"), HasSubstr("write kill:ROLE:TIME"));
  EXPECT_THAT(Problem("stall:worker:0s"), HasSubstr("no time"));
  EXPECT_THAT(Problem("drop:101%"), HasSubstr("at character 6, '101%': more than all"));
  EXPECT_THAT(Problem("drop:-1%"), HasSubstr("'-1%'"));
  EXPECT_THAT(Problem("drop:nan"), HasSubstr("'nan'"));
  EXPECT_THAT(Problem("delay:2h"), HasSubstr("more than a minute"));
  EXPECT_THAT(Problem("kill:server:1e300h"), HasSubstr("'1e300h'"));
  EXPECT_THAT(Problem("drop:1%,"), HasSubstr("at character 9"));
  EXPECT_THAT(Problem(""), HasSubstr("at character 1"));
  EXPECT_THAT(Problem("drop:1%", "seven"), HasSubstr("--chaos_seed"));
}

TEST(ChaosPlan, TheSeedChoosesOneOfTheRole) {
  std::set<std::uint32_t> chosen;
  for (int seed = 0; seed < 50; ++seed) {
    const ChaosPlan plan = Parsed("kill:server:1s", std::to_string(seed));
    std::size_t victims = 0;
    for (std::uint32_t server = 0; server < kRoles.servers; ++server) {
      if (plan.ActsOf({proto::SERVER, server}, kRoles).empty()) continue;
      ++victims;
      chosen.insert(server);
      EXPECT_THAT(plan.Text(kRoles), HasSubstr("kill server " + std::to_string(server) + " after 1 s"));
    }
    EXPECT_EQ(victims, 1u);
    EXPECT_THAT(plan.ActsOf({proto::WORKER, 0}, kRoles), IsEmpty());
  }
  EXPECT_THAT(chosen, SizeIs(kRoles.servers));
}

TEST(ChaosPlan, ARanksActsAreInTheOrderOfTheirTimes) {
  const ChaosPlan plan = Parsed("kill:worker1:9s,stall:worker1:1s:3s,kill:worker0:1s");
  const auto acts = plan.ActsOf({proto::WORKER, 1}, kRoles);
  ASSERT_THAT(acts, SizeIs(2));
  EXPECT_EQ(acts[0].after, milliseconds(3000));
  EXPECT_EQ(acts[1].after, milliseconds(9000));
}

TEST(ChaosPlan, ARoleThatTheJobHasNotIsSaid) {
  EXPECT_THAT(Parsed("kill:server9:1s").Text(kRoles), HasSubstr("there is none"));
  EXPECT_THAT(Parsed("kill:spare:1s").Text({.servers = 1, .workers = 1, .spares = 0}), HasSubstr("there is none"));
}

}  // namespace
}  // namespace sherd
