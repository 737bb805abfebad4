#include "scheduler/membership.h"

#include <gtest/gtest.h>

namespace sherd {
namespace {

using std::chrono::seconds;
constexpr Deadline kStart{};

proto::Header Of(proto::Role role, std::uint32_t index, std::uint32_t incarnation = 1) {
  proto::Header header;
  header.set_role(role);
  header.set_index(index);
  header.set_incarnation(incarnation);
  return header;
}

proto::Register Body(const std::string& host, std::uint32_t pid, std::vector<std::string> shards = {}) {
  proto::Register body;
  body.set_host(host);
  body.set_pid(pid);
  for (const std::string& shard : shards) body.add_shard_endpoint(shard);
  return body;
}

class MembershipTest : public testing::Test {
 protected:
  void RegisterAll() {
    ASSERT_TRUE(members_.Register(Of(proto::SERVER, 1), Body("b", 12, {"s2", "s3"}), kStart).ok());
    ASSERT_TRUE(members_.Register(Of(proto::WORKER, 0), Body("a", 13), kStart).ok());
    EXPECT_FALSE(members_.complete());
    EXPECT_EQ(members_.Missing(), "server 0 (rank 1)");
    ASSERT_TRUE(members_.Register(Of(proto::SERVER, 0), Body("a", 11, {"s0", "s1"}), kStart + seconds(30)).ok());
  }
  Membership members_{
      {.servers = 2, .workers = 1, .spares = 1, .shards_per_server = 2, .heartbeat_timeout = seconds(10)}};
};

TEST_F(MembershipTest, MapsShardsInTheOrderOfServersOnceAllAreThere) {
  EXPECT_EQ(members_.Missing(), "server 0 (rank 1), server 1 (rank 2), worker 0 (rank 3)");
  RegisterAll();
  ASSERT_TRUE(members_.complete());  // the spare need not come
  const std::vector<proto::Register> servers = members_.Registered(proto::SERVER);
  ASSERT_EQ(servers.size(), 2u);
  EXPECT_EQ(servers[1].shard_endpoint(1), "s3");
}

TEST_F(MembershipTest, WaitingForOthersIsNoSilence) {
  RegisterAll();  // the last one 30 s after the first
  EXPECT_TRUE(members_.CheckAlive(kStart + seconds(40)).ok());
}

TEST_F(MembershipTest, TheDeadAreNamedWithWhatTheyWereAt) {
  RegisterAll();
  members_.Doing(Of(proto::WORKER, 0), "pull of clock 17 from shard 2");
  const Deadline later = kStart + seconds(45);
  ASSERT_TRUE(members_.Hear(Of(proto::SERVER, 0), later).ok());
  ASSERT_TRUE(members_.Hear(Of(proto::SERVER, 1), later).ok());
  EXPECT_TRUE(members_.CheckAlive(later).ok());
  EXPECT_EQ(members_.Silent(proto::WORKER, later), std::vector<std::uint32_t>{0});
  EXPECT_EQ(
      members_.Obituary(proto::WORKER, 0),
      "lost (no heartbeat for 10 s): worker 0 (rank 3, process 13 on host a), last at: pull of clock 17 from shard 2");
  EXPECT_FALSE(members_.Awaited(proto::WORKER, 0, later));
  EXPECT_TRUE(members_.Awaited(proto::SERVER, 1, later));
}

TEST_F(MembershipTest, ASilentServerIsTheJobsEnd) {
  RegisterAll();
  const Deadline later = kStart + seconds(45);
  ASSERT_TRUE(members_.Hear(Of(proto::SERVER, 1), later).ok());
  EXPECT_EQ(members_.CheckAlive(later).text(), "lost (no heartbeat for 10 s): server 0 (rank 1, process 11 on host a)");
}

TEST_F(MembershipTest, WhoWasExpelledIsRefusedWhateverItSays) {
  RegisterAll();
  EXPECT_EQ(members_.Expel(proto::WORKER, 0), 2u);  // the incarnation of who takes its place
  const Status refused = members_.Hear(Of(proto::WORKER, 0), kStart + seconds(31));
  EXPECT_EQ(refused.code(), ErrorCode::kUnavailable);
  EXPECT_NE(refused.text().find("taken for lost"), std::string::npos) << refused.text();
  EXPECT_TRUE(members_.LiveWorkers().empty());
  EXPECT_TRUE(members_.Silent(proto::WORKER, kStart + seconds(99)).empty()) << "it is lost once";
  EXPECT_TRUE(members_.AllDismissed(proto::WORKER, kStart + seconds(31))) << "nobody waits for it";
}

TEST_F(MembershipTest, ASilentSpareIsNoLoss) {
  RegisterAll();
  ASSERT_TRUE(members_.Register(Of(proto::SPARE, 0), Body("c", 14), kStart + seconds(30)).ok());
  const Deadline later = kStart + seconds(50);
  for (const auto& header : {Of(proto::SERVER, 0), Of(proto::SERVER, 1), Of(proto::WORKER, 0)}) {
    ASSERT_TRUE(members_.Hear(header, later).ok());
  }
  EXPECT_TRUE(members_.CheckAlive(later).ok());
  EXPECT_TRUE(members_.AllDismissed(proto::SPARE, later));  // nobody waits for it
}

TEST_F(MembershipTest, TimeInWhichNobodyListenedDoesNotCount) {
  RegisterAll();
  members_.Forgive(seconds(60));
  EXPECT_TRUE(members_.CheckAlive(kStart + seconds(99)).ok());
  EXPECT_FALSE(members_.CheckAlive(kStart + seconds(101)).ok());
}

TEST_F(MembershipTest, ATakenPlaceStaysTaken) {
  RegisterAll();
  EXPECT_TRUE(members_.Register(Of(proto::WORKER, 0), Body("a", 13), kStart).ok());  // repeated
  EXPECT_FALSE(members_.Register(Of(proto::WORKER, 0), Body("z", 99), kStart).ok());
  EXPECT_NE(members_.NameOf(proto::WORKER, 0).find("process 13 on host a"), std::string::npos);
}

TEST_F(MembershipTest, StrangersAreRefused) {
  EXPECT_FALSE(members_.Register(Of(proto::WORKER, 1), Body("a", 1), kStart).ok());
  EXPECT_FALSE(members_.Register(Of(proto::SCHEDULER, 0), Body("a", 1), kStart).ok());
  EXPECT_FALSE(members_.Register(Of(proto::SERVER, 0), Body("a", 1, {"only one"}), kStart).ok());
  EXPECT_FALSE(members_.Register(Of(proto::WORKER, 0), Body("a", 1, {"s"}), kStart).ok());
  EXPECT_FALSE(members_.Hear(Of(proto::WORKER, 0), kStart).ok());  // never registered
  RegisterAll();
  EXPECT_EQ(members_.Hear(Of(proto::WORKER, 0, 2), kStart).code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(members_.Hear(Of(proto::WORKER, 77), kStart).ok());
}

TEST_F(MembershipTest, WhoJoinsNeedsAPlace) {
  RegisterAll();
  EXPECT_EQ(members_.WorkerPlaces(), 1u);
  members_.AddPlace(proto::WORKER, 3);
  EXPECT_EQ(members_.WorkerPlaces(), 4u);
  EXPECT_FALSE(members_.complete());
  EXPECT_FALSE(members_.Register(Of(proto::WORKER, 2), Body("c", 20), kStart).ok());
  ASSERT_TRUE(members_.Register(Of(proto::WORKER, 3), Body("c", 21), kStart).ok());
  EXPECT_EQ(members_.NameOf(proto::WORKER, 3), "worker 3 (joined, process 21 on host c)");
  EXPECT_EQ(members_.LiveWorkers(), (std::vector<std::uint32_t>{0, 3}));
  EXPECT_FALSE(members_.IsLiveWorker(2));
  EXPECT_TRUE(members_.complete());
}

// So that what it has registered is known by its number.
TEST_F(MembershipTest, ASpareThatJoinsMayPassOverNumbers) {
  members_.AddPlace(proto::SPARE, 2);
  ASSERT_TRUE(members_.Register(Of(proto::SPARE, 2), Body("c", 22), kStart).ok());
  const std::vector<proto::Register> spares = members_.Registered(proto::SPARE);
  ASSERT_EQ(spares.size(), 3u);
  EXPECT_EQ(spares[2].pid(), 22u);
  EXPECT_EQ(members_.Expel(proto::SPARE, 5), 2u);  // lost before this scheduler was one
  EXPECT_TRUE(members_.expelled(proto::SPARE, 5));
}

TEST_F(MembershipTest, WhoHasEndedIsNotMissed) {
  RegisterAll();
  members_.Dismiss(Of(proto::WORKER, 0));
  EXPECT_TRUE(members_.AllDismissed(proto::WORKER, kStart + seconds(31)));
  EXPECT_FALSE(members_.AllDismissed(proto::SERVER, kStart + seconds(31)));
  ASSERT_TRUE(members_.Hear(Of(proto::SERVER, 0), kStart + seconds(60)).ok());
  ASSERT_TRUE(members_.Hear(Of(proto::SERVER, 1), kStart + seconds(60)).ok());
  EXPECT_TRUE(members_.CheckAlive(kStart + seconds(60)).ok());
}

}  // namespace
}  // namespace sherd
