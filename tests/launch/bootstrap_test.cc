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

proto::Cluster Over(proto::Cluster::Transport transport) {
  proto::Cluster cluster;
  cluster.set_transport(transport);
  return cluster;
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
  const auto choice = Choose({Rank("a", "avx512"), Rank("a", "sse4"), Rank("a", "avx2")}, Over(proto::Cluster::AUTO));
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->simd, "sse4");
  EXPECT_TRUE(choice->ipc);
}

TEST(Bootstrap, SeveralHostsTalkByTcp) {
  const std::vector<proto::RankInfo> ranks{Rank("a", "avx2"), Rank("b", "avx2")};
  EXPECT_FALSE(Choose(ranks, Over(proto::Cluster::AUTO))->ipc);
  EXPECT_FALSE(Choose({ranks[0]}, Over(proto::Cluster::TCP))->ipc);
  EXPECT_THAT(Choose(ranks, Over(proto::Cluster::IPC)).status().text(), HasSubstr("these are on 2"));
}

TEST(Bootstrap, AMissingInterfaceMattersToTcpAlone) {
  proto::RankInfo bad = Rank("a", "avx2");
  bad.set_problem("host a has no network interface eth9");
  EXPECT_TRUE(Choose({bad}, Over(proto::Cluster::AUTO)).ok());
  EXPECT_THAT(Choose({bad}, Over(proto::Cluster::TCP)).status().text(), HasSubstr("eth9"));
}

TEST(Bootstrap, TcpIsEncryptedUnlessTheJobSaysOtherwise) {
  proto::Cluster cluster = Over(proto::Cluster::TCP);
  EXPECT_TRUE(Choose({Rank("a", "avx2")}, cluster)->curve);
  EXPECT_FALSE(Choose({Rank("a", "avx2")}, Over(proto::Cluster::IPC))->curve);
  cluster.set_security(proto::Cluster::NONE);
  EXPECT_FALSE(Choose({Rank("a", "avx2")}, cluster)->curve);
}

TEST(Bootstrap, AllRanksMustHaveReadTheSameKeyFile) {
  proto::RankInfo first = Rank("a", "avx2"), second = Rank("b", "avx2");
  first.set_key_fingerprint(1);
  second.set_key_fingerprint(1);
  EXPECT_TRUE(Choose({first, second}, Over(proto::Cluster::AUTO)).ok());
  second.set_key_fingerprint(2);
  EXPECT_THAT(Choose({first, second}, Over(proto::Cluster::AUTO)).status().text(), HasSubstr("host b has other keys"));
  second.clear_key_fingerprint();
  second.set_key_problem("key file k on host b: it is a symbolic link");
  EXPECT_THAT(Choose({first, second}, Over(proto::Cluster::AUTO)).status().text(), HasSubstr("symbolic link"));
}

TEST(Bootstrap, KeysTravelOnceAndAreTakenOutOfThePlan) {
  const CurveKeys keys = MakeCurveKeys();
  proto::LaunchPlan plan;
  EXPECT_FALSE(TakeKeys(&plan));
  PutKeys(keys, &plan);
  const std::string travelling = plan.SerializeAsString();
  EXPECT_THAT(travelling, HasSubstr(keys.client_secret));
  const auto taken = TakeKeys(&plan);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->server_public, keys.server_public);
  EXPECT_EQ(taken->server_secret, keys.server_secret);
  EXPECT_EQ(taken->client_public, keys.client_public);
  EXPECT_EQ(taken->client_secret, keys.client_secret);
  EXPECT_EQ(plan.SerializeAsString().find(keys.client_secret), std::string::npos);
  EXPECT_FALSE(TakeKeys(&plan));
}

}  // namespace
}  // namespace sherd
