#include "ps/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "base/leadership.h"
#include "net/memory_network.h"
#include "net/requester.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kJob = 77;

ServerOptions Options() {
  ServerOptions options;
  options.job = kJob;
  options.servers = 1;
  options.shards_per_server = 2;
  options.model = SmallModel();
  options.scheduler_endpoint = "inproc://scheduler";
  options.bind_endpoints = {"inproc://shard-0", "inproc://shard-1"};
  options.heartbeat_seconds = 0.02;
  options.scheduler_wait_seconds = 20;
  return options;
}

// The scheduler's end of one server, played by hand.
class FakeScheduler {
 public:
  explicit FakeScheduler(Network* network, const std::string& endpoint = "inproc://scheduler")
      : mailbox_(network->Open()) {
    CHECK(mailbox_->Bind(endpoint).ok());
  }

  // Answers heartbeats until something else comes.
  Envelope Next() {
    while (true) {
      std::optional<Envelope> envelope = mailbox_->Receive(Clock::now() + std::chrono::seconds(10));
      CHECK(envelope.has_value()) << "nothing came";
      if (envelope->message.header.kind() != proto::HEARTBEAT) return std::move(*envelope);
      Answer(*envelope, MakeReply(envelope->message.header, command_));
      if (command_.stop()) return std::move(*envelope);
    }
  }
  // The first heartbeat that tells of a trouble.
  proto::Heartbeat NextTrouble() {
    while (true) {
      std::optional<Envelope> envelope = mailbox_->Receive(Clock::now() + std::chrono::seconds(10));
      CHECK(envelope.has_value()) << "nothing came";
      if (envelope->message.header.kind() != proto::HEARTBEAT) continue;
      Answer(*envelope, MakeReply(envelope->message.header, command_));
      proto::Heartbeat beat;
      if (!ParseBody(envelope->message, &beat).ok()) continue;
      if (beat.has_full() || beat.has_paused() || beat.has_lost_follower()) return beat;
    }
  }
  void Answer(const Envelope& to, Message reply) { CHECK(mailbox_->Send(to.from, std::move(reply)).ok()); }
  void Welcome(const Envelope& registration, std::uint32_t epoch) {
    proto::Register body;
    CHECK(ParseBody(registration.message, &body).ok());
    proto::Welcome welcome;
    welcome.mutable_map()->set_epoch(epoch);
    for (const std::string& endpoint : body.shard_endpoint()) welcome.mutable_map()->add_endpoint(endpoint);
    Answer(registration, MakeReply(registration.message.header, welcome));
  }
  void StopAtNextHeartbeat() { command_.set_stop(true); }

 private:
  const std::unique_ptr<Mailbox> mailbox_;
  proto::Command command_;
};

TEST(ServerTest, RegistersItsShardsServesThemAndEndsWhenAllWereStopped) {
  MemoryNetwork network({.job = kJob});
  FakeScheduler scheduler(&network);
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, Options()); });
  const Envelope registration = scheduler.Next();
  EXPECT_EQ(registration.message.header.kind(), proto::REGISTER);
  EXPECT_EQ(registration.message.header.role(), proto::SERVER);
  scheduler.Welcome(registration, 5);

  const auto mailbox = network.Open();
  Requester requester(mailbox.get(), {});
  for (std::uint32_t shard = 0; shard < 2; ++shard) {
    const Peer peer = mailbox->Connect("inproc://shard-" + std::to_string(shard)).value();
    Message pull;
    pull.header.set_kind(proto::PULL);
    pull.header.set_shard(shard);
    pull.header.set_map_epoch(5);
    const auto reply = requester.Call(peer, pull, "pull");
    EXPECT_TRUE(reply.ok()) << reply.status().text();
    Message stop;
    stop.header.set_kind(proto::STOP);
    EXPECT_TRUE(requester.Call(peer, stop, "stop").ok());
  }
  const Status status = server.get();
  EXPECT_TRUE(status.ok()) << status.text();
}

// Else it would be there again, empty, and take pushes of workers that go by the older map (found by tests/protocol).
TEST(ServerTest, ALateMapDoesNotBringBackAShardThatWasGivenUp) {
  MemoryNetwork network({.job = kJob});
  FakeScheduler scheduler(&network);
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, Options()); });
  scheduler.Welcome(scheduler.Next(), 5);

  const auto mailbox = network.Open();
  Requester requester(mailbox.get(),
                      {.retry_after = std::chrono::milliseconds(20), .give_up_after = std::chrono::milliseconds(200)});
  const Peer peer = mailbox->Connect("inproc://shard-1").value();
  const auto tell = [&](std::uint32_t epoch, const std::string& endpoint) {
    proto::ShardMap map;
    map.set_epoch(epoch);
    map.add_endpoint("inproc://shard-0");
    map.add_endpoint(endpoint);
    return requester.Call(peer, MakeControl(proto::SHARD_MAP, map), "map").status();
  };
  const auto pull = [&](std::uint32_t epoch) {
    Message message;
    message.header.set_kind(proto::PULL);
    message.header.set_shard(1);
    message.header.set_map_epoch(epoch);
    return requester.Call(peer, message, "pull").status();
  };
  EXPECT_TRUE(pull(5).ok());
  EXPECT_TRUE(tell(6, "inproc://elsewhere").ok());
  EXPECT_TRUE(tell(5, "inproc://shard-1").ok());
  EXPECT_THAT(pull(5).text(), HasSubstr("no shard is here"));
  EXPECT_TRUE(tell(7, "inproc://shard-1").ok());
  EXPECT_TRUE(pull(7).ok());
  scheduler.StopAtNextHeartbeat();
  scheduler.Next();
  EXPECT_TRUE(server.get().ok());
}

// The first scheduler says nothing any more, and another one is in its place. From then on nobody does what the first
// one asks for, should it only have been stopped.
TEST(ServerTest, ListensToTheSchedulerThatHasTakenOverAlone) {
  MemoryNetwork network({.job = kJob});
  TemporaryFolder leaders;
  ServerOptions options = Options();
  options.leaders_dir = leaders.path();
  FakeScheduler first(&network), second(&network, "inproc://second");
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, options); });
  first.Welcome(first.Next(), 1);
  proto::Leader leader;
  leader.set_job(kJob);
  leader.set_term(2);
  leader.set_endpoint("inproc://second");
  const auto leadership = Leadership::Claim(leaders.path(), leader, std::chrono::milliseconds(50)).value();
  ASSERT_NE(leadership, nullptr);
  const Envelope again = second.Next();
  EXPECT_EQ(again.message.header.kind(), proto::REGISTER);
  second.Welcome(again, 1);

  const auto mailbox = network.Open();
  Requester requester(mailbox.get(), {});
  const Peer peer = mailbox->Connect("inproc://shard-1").value();
  Message order = MakeControl(proto::START_EPOCH, proto::StartEpoch());
  order.header.set_incarnation(1);
  EXPECT_THAT(requester.Call(peer, order, "start").status().text(),
              HasSubstr("another scheduler has taken the job over"));
  order.header.set_incarnation(2);
  EXPECT_TRUE(requester.Call(peer, order, "start").ok());
  second.StopAtNextHeartbeat();
  second.Next();
  EXPECT_TRUE(server.get().ok());
}

// Its primary can not go on by itself, for it must not acknowledge alone. But it can say why.
TEST(ServerTest, AFollowerThatDoesNotAnswerIsToldToTheScheduler) {
  MemoryNetwork network({.job = kJob});
  FakeScheduler scheduler(&network);
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, Options()); });
  const Envelope registration = scheduler.Next();
  const auto follower = network.Open();
  ASSERT_TRUE(follower->Bind("inproc://follower").ok());
  proto::Welcome welcome;
  welcome.mutable_map()->set_epoch(1);
  for (const char* endpoint : {"inproc://shard-0", "inproc://shard-1"}) welcome.mutable_map()->add_endpoint(endpoint);
  for (const char* endpoint : {"", "inproc://follower"}) welcome.mutable_map()->add_follower(endpoint);
  scheduler.Answer(registration, MakeReply(registration.message.header, welcome));

  const auto mailbox = network.Open();
  const Peer peer = mailbox->Connect("inproc://shard-1").value();
  ASSERT_TRUE(mailbox->Send(peer, MakeControl(proto::START_EPOCH, proto::StartEpoch())).ok());
  const proto::Heartbeat beat = scheduler.NextTrouble();
  EXPECT_EQ(beat.lost_follower().shard(), 1u);
  EXPECT_EQ(beat.lost_follower().endpoint(), "inproc://follower");
  EXPECT_FALSE(mailbox->Receive(Clock::now()).has_value()) << "it acknowledges nothing alone";

  proto::ShardMap alone = welcome.map();
  alone.set_epoch(2);
  alone.clear_follower();
  ASSERT_TRUE(mailbox->Send(peer, MakeControl(proto::SHARD_MAP, alone)).ok());
  const auto answer = mailbox->Receive(Clock::now() + std::chrono::seconds(10));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->message.header.kind(), proto::START_EPOCH);
  scheduler.StopAtNextHeartbeat();
  scheduler.Next();
  EXPECT_TRUE(server.get().ok());
}

// What a shard can not solve is told by its server's next heartbeat.
TEST(ServerTest, AFullShardIsToldToTheScheduler) {
  MemoryNetwork network({.job = kJob});
  FakeScheduler scheduler(&network);
  ServerOptions options = Options();
  options.memory_budget = 2;  // a byte a shard
  options.heartbeat_seconds = 0.2;
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, options); });
  scheduler.Welcome(scheduler.Next(), 1);

  const auto mailbox = network.Open();
  Requester requester(mailbox.get(), {});
  proto::StartEpoch start;
  start.add_worker(0);
  const Peer peer = mailbox->Connect("inproc://shard-1").value();
  ASSERT_TRUE(requester.Call(peer, MakeControl(proto::START_EPOCH, start), "start").ok());
  const proto::Heartbeat beat = scheduler.NextTrouble();
  EXPECT_THAT(beat.full(), HasSubstr("shard 1: "));
  EXPECT_THAT(beat.full(), HasSubstr("of memory_budget are used: table "));
  scheduler.StopAtNextHeartbeat();
  scheduler.Next();
  EXPECT_TRUE(server.get().ok());
}

TEST(ServerTest, AnAnswerThatCanNotBeSentIsAnErrorNotSilence) {
  MemoryNetwork network({.job = kJob, .max_frame_bytes = 1000});
  FakeScheduler scheduler(&network);
  ServerOptions options = Options();
  options.shards_per_server = 1;
  options.bind_endpoints.resize(1);
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, options); });
  scheduler.Welcome(scheduler.Next(), 1);

  const auto mailbox = network.Open();
  Requester requester(mailbox.get(), {});
  const Peer peer = mailbox->Connect("inproc://shard-0").value();
  Message pull;
  pull.header.set_kind(proto::PULL);
  pull.header.set_map_epoch(1);
  proto::Section* section = pull.header.add_section();
  section->set_dense(true);
  section->set_count(4);  // all blocks of the model: 10,200 bytes
  const Status status = requester.Call(peer, pull, "pull").status();
  EXPECT_EQ(status.code(), ErrorCode::kBadData);  // of the peer, not of ours
  EXPECT_THAT(status.text(), HasSubstr("shard 0"));
  EXPECT_THAT(status.text(), HasSubstr("a frame of 10200 bytes, at most 1000"));
  Message stop;
  stop.header.set_kind(proto::STOP);
  EXPECT_TRUE(requester.Call(peer, stop, "stop").ok());
  EXPECT_TRUE(server.get().ok());
}

TEST(ServerTest, EndsWhenTheSchedulerSaysSo) {
  MemoryNetwork network({.job = kJob});
  FakeScheduler scheduler(&network);
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, Options()); });
  scheduler.Welcome(scheduler.Next(), 1);
  scheduler.StopAtNextHeartbeat();
  EXPECT_EQ(scheduler.Next().message.header.kind(), proto::HEARTBEAT);
  EXPECT_TRUE(server.get().ok());
}

TEST(ServerTest, ASchedulerThatDoesNotAnswerIsNamed) {
  MemoryNetwork network({.job = kJob});
  ServerOptions options = Options();
  options.scheduler_wait_seconds = 0.2;
  const Status status = RunServer(&network, options);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(status.text(), HasSubstr("inproc://scheduler"));
}

TEST(ServerTest, AModelThatCanNotBeServedIsToldBeforeAnythingRuns) {
  MemoryNetwork network({.job = kJob});
  FakeScheduler scheduler(&network);
  ServerOptions options = Options();
  options.model.mutable_table(0)->mutable_segment(0)->set_dim(0);
  auto server = std::async(std::launch::async, [&] { return RunServer(&network, options); });
  scheduler.Welcome(scheduler.Next(), 1);
  EXPECT_THAT(server.get().text(), HasSubstr("table 'wide'"));
}

}  // namespace
}  // namespace sherd
