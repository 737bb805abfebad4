#include "base/leadership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <thread>

#include "base/file.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kJob = 42;
constexpr std::chrono::milliseconds kBeat{5};

class LeadershipTest : public testing::Test {
 protected:
  LeadershipTest() : dir_(testing::TempDir() + "/leadership_test_XXXXXX") { EXPECT_NE(mkdtemp(dir_.data()), nullptr); }
  ~LeadershipTest() override { EXPECT_TRUE(RemoveTree(dir_).ok()); }

  std::unique_ptr<Leadership> Claim(std::uint32_t term, const std::string& endpoint) {
    proto::Leader leader;
    leader.set_job(kJob);
    leader.set_term(term);
    leader.set_endpoint(endpoint);
    return Leadership::Claim(dir_, leader, kBeat).value();
  }
  std::string Newest() const {
    const auto leader = NewestLeader(dir_, kJob).value();
    return leader.has_value() ? leader->endpoint() : "";
  }

  std::string dir_;
};

TEST_F(LeadershipTest, OneHasATermAndTheNewestOneLeads) {
  EXPECT_EQ(Newest(), "");
  EXPECT_EQ(GreatestTerm(dir_).value(), 0u);
  const auto first = Claim(1, "ipc:///a");
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(Claim(1, "ipc:///b"), nullptr);
  EXPECT_EQ(Newest(), "ipc:///a");
  EXPECT_TRUE(first->Check().ok());
  const auto second = Claim(2, "ipc:///b");
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(Newest(), "ipc:///b");
  EXPECT_THAT(first->Check().text(), HasSubstr("another scheduler has taken the job over"));
  EXPECT_TRUE(first->lost());
  EXPECT_TRUE(second->Check().ok());
}

TEST_F(LeadershipTest, ItBeatsUntilItEnds) {
  const auto leadership = Claim(1, "ipc:///a");
  std::string last = BeatOf(dir_, 1);
  for (int changes = 0; changes < 3;) {
    std::this_thread::sleep_for(kBeat);
    const std::string beat = BeatOf(dir_, 1);
    if (beat != last) ++changes;
    last = beat;
  }
  leadership->End();
  last = BeatOf(dir_, 1);
  std::this_thread::sleep_for(4 * kBeat);
  EXPECT_EQ(BeatOf(dir_, 1), last);
}

// It was killed while it took the term: the term is taken, and nobody has it.
TEST_F(LeadershipTest, ATermWithoutAnAddressLeadsNobody) {
  const auto first = Claim(1, "ipc:///a");
  std::ofstream(dir_ + "/term-000002") << "sherd";
  EXPECT_EQ(GreatestTerm(dir_).value(), 2u);
  EXPECT_EQ(Newest(), "ipc:///a");
  EXPECT_FALSE(first->Check().ok());
  EXPECT_EQ(Claim(2, "ipc:///b"), nullptr);
  EXPECT_NE(Claim(3, "ipc:///b"), nullptr);
}

TEST_F(LeadershipTest, AnotherJobsSchedulerIsNoOnes) {
  const auto first = Claim(1, "ipc:///a");
  EXPECT_FALSE(NewestLeader(dir_, kJob + 1).value().has_value());
}

}  // namespace
}  // namespace sherd
