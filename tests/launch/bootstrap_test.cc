#include "launch/bootstrap.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/bounded_queue.h"

namespace sherd {
namespace {

using testing::HasSubstr;

// Two ranks as threads of one process: what rank 0 broadcasts reaches the other in order.
class PairGroup : public RankGroup {
 public:
  PairGroup(std::uint32_t rank, BoundedQueue<std::string>* channel) : rank_(rank), channel_(channel) {}
  std::uint32_t rank() const override { return rank_; }
  std::uint32_t size() const override { return 2; }
  Status Broadcast(std::string* text, double seconds) override {
    if (rank_ == 0) {
      channel_->Push(*text);
      return {};
    }
    auto received = channel_->PopFor(std::chrono::duration<double>(seconds));
    if (!received) return Status::Unavailable("nothing came");
    *text = *received;
    return {};
  }
  Result<std::vector<std::string>> Gather(const std::string& text, double) override { return std::vector{text, text}; }

 private:
  const std::uint32_t rank_;
  BoundedQueue<std::string>* const channel_;
};

proto::RankInfo Rank(const std::string& host, const std::string& simd) {
  proto::RankInfo info;
  info.set_host(host);
  info.set_simd(simd);
  info.set_address("10.0.0.1");
  return info;
}

TEST(Bootstrap, TheOthersGetTheJobHoweverLongItIsPrepared) {
  BoundedQueue<std::string> channel(100);
  PairGroup zero(0, &channel), one(1, &channel);
  const auto prepare = []() -> Result<proto::LaunchPlan> {
    std::this_thread::sleep_for(std::chrono::milliseconds(2300));
    proto::LaunchPlan plan;
    plan.set_workers(7);
    return plan;
  };
  ASSERT_TRUE(PrepareAndTell(&zero, prepare).ok());
  EXPECT_GE(channel.size(), 3u);  // signs of life, then the job
  const auto plan = AwaitPreparation(&one);
  ASSERT_TRUE(plan.ok());
  ASSERT_TRUE(plan->has_value());
  EXPECT_EQ((*plan)->workers(), 7u);
}

TEST(Bootstrap, ARefusedJobEndsTheOthersWithoutAnError) {
  BoundedQueue<std::string> channel(100);
  PairGroup zero(0, &channel), one(1, &channel);
  const Status status =
      PrepareAndTell(&zero, []() -> Result<proto::LaunchPlan> { return Status::Invalid("batch size"); });
  EXPECT_EQ(status.text(), "batch size");
  const auto plan = AwaitPreparation(&one);
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->has_value());
}

TEST(Bootstrap, GarbageIsAnErrorAndNoPlan) {
  BoundedQueue<std::string> channel(100);
  channel.Push("\xff\xff\xff");
  PairGroup one(1, &channel);
  EXPECT_FALSE(AwaitPreparation(&one).ok());
}

TEST(Bootstrap, TheWorstProcessorDecides) {
  const auto choice = Choose({Rank("a", "avx512"), Rank("a", "sse4"), Rank("a", "avx2")}, proto::Cluster::AUTO);
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->simd, "sse4");
  EXPECT_TRUE(choice->ipc);
}

TEST(Bootstrap, SeveralHostsTalkByTcp) {
  const std::vector<proto::RankInfo> ranks{Rank("a", "avx2"), Rank("b", "avx2")};
  EXPECT_FALSE(Choose(ranks, proto::Cluster::AUTO)->ipc);
  EXPECT_FALSE(Choose({ranks[0]}, proto::Cluster::TCP)->ipc);
  EXPECT_THAT(Choose(ranks, proto::Cluster::IPC).status().text(), HasSubstr("these are on 2"));
}

TEST(Bootstrap, AMissingInterfaceMattersToTcpAlone) {
  proto::RankInfo bad = Rank("a", "avx2");
  bad.set_problem("host a has no network interface eth9");
  EXPECT_TRUE(Choose({bad}, proto::Cluster::AUTO).ok());
  EXPECT_THAT(Choose({bad}, proto::Cluster::TCP).status().text(), HasSubstr("eth9"));
}

}  // namespace
}  // namespace sherd
