#include "net/requester.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/hash.h"
#include "net/chaos_network.h"
#include "tests/net/networks.h"

namespace sherd {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr RequesterOptions kPatient{.retry_after = milliseconds(20), .give_up_after = milliseconds(60000)};

// A server of the wire format's rule for what carries a sequence: each number once and in order.
class Counter {
 public:
  explicit Counter(std::unique_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~Counter() {
    stop_ = true;
    mailbox_->Wake();
    thread_.join();
  }
  const std::string& endpoint() const { return mailbox_->endpoint(); }
  std::uint64_t malformed() const { return malformed_; }

 private:
  void Serve() {
    while (!stop_) {
      const auto envelope = mailbox_->Receive(Clock::now() + std::chrono::seconds(1));
      malformed_ = mailbox_->malformed();
      if (!envelope) continue;
      // What cannot be sent is asked for again.
      if (!mailbox_->Send(envelope->from, Answer(envelope->message)).ok()) continue;
    }
  }

  Message Answer(const Message& request) {
    const std::uint64_t sequence = request.header.sequence();
    if (sequence > applied_ + 1) {
      Message reply = MakeReply(request.header, proto::OUT_OF_ORDER, "a gap");
      reply.header.set_sequence(applied_ + 1);
      return reply;
    }
    if (sequence == applied_ + 1) {
      sum_ = Mix(sum_, request.frames.at(0).As<std::uint64_t>()[0]);
      sums_.push_back(sum_);
      ++applied_;
    }
    Message reply = MakeReply(request.header);
    const auto& value = sums_.at(sequence - 1);
    reply.frames.push_back(Frame::Of(std::string(reinterpret_cast<const char*>(&value), sizeof(value))));
    return reply;
  }

  const std::unique_ptr<Mailbox> mailbox_;
  std::uint64_t applied_ = 0, sum_ = 0;
  std::vector<std::uint64_t> sums_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> malformed_{0};
  std::thread thread_;
};

Message Push(std::uint64_t sequence) {
  const std::uint64_t value = Mix(sequence, 99);
  Message message;
  message.header.set_kind(proto::PUSH);
  message.header.set_sequence(sequence);
  message.frames.push_back(Frame::Of(std::string(reinterpret_cast<const char*>(&value), sizeof(value))));
  return message;
}

class LossyTest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Transports, LossyTest, ::testing::Values("memory", "inproc", "tcp"),
                         [](const auto& info) { return info.param; });

// Several requests in flight over a network that does its worst: each is answered once, and the server has applied each
// once and in order, for its running hash of the values is the one worked out here.
TEST_P(LossyTest, EveryRequestIsAnsweredExactlyOnce) {
  constexpr std::uint64_t kRequests = 200, kInFlight = 8;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Networks networks(GetParam());
    ChaosNetwork faulty(networks.network(),
                        {.seed = seed, .drop = 0.1, .duplicate = 0.1, .delay = 0.1, .corrupt = 0.1});
    auto bound = faulty.Open();
    ASSERT_TRUE(bound->Bind(networks.FixedEndpoint()).ok());
    Counter server(std::move(bound));
    auto mailbox = faulty.Open();
    const Peer to = mailbox->Connect(server.endpoint()).value();
    Requester requester(mailbox.get(), kPatient);

    std::map<std::uint64_t, std::uint64_t> sequence_of;  // by request
    std::map<std::uint64_t, std::uint64_t> answer;       // by sequence
    std::uint64_t next = 1;
    while (answer.size() < kRequests) {
      while (next <= kRequests && requester.waiting() < kInFlight) {
        sequence_of[requester.Send(to, Push(next), "push " + std::to_string(next))] = next;
        ++next;
      }
      const Status status = requester.Tick();
      ASSERT_TRUE(status.ok()) << status.text();
      auto envelope = mailbox->Receive(requester.next_tick());
      if (!envelope) continue;
      const auto reply = requester.Match(std::move(*envelope));
      if (!reply) continue;
      ASSERT_EQ(reply->message.header.code(), proto::OK) << reply->message.header.text();
      const bool first =
          answer.emplace(sequence_of.at(reply->request), reply->message.frames.at(0).As<std::uint64_t>()[0]).second;
      ASSERT_TRUE(first) << "answered twice";
    }
    EXPECT_EQ(requester.waiting(), 0u);
    std::uint64_t sum = 0;
    for (std::uint64_t sequence = 1; sequence <= kRequests; ++sequence) {
      sum = Mix(sum, Mix(sequence, 99));
      ASSERT_EQ(answer.at(sequence), sum) << "seed " << seed << ", sequence " << sequence;
    }
    EXPECT_GT(faulty.faults(), kRequests / 4);
    EXPECT_GT(server.malformed() + mailbox->malformed(), 0u) << "nothing was damaged: the test tests nothing";
  }
}

class RequesterTest : public ::testing::Test {
 protected:
  RequesterTest() : server_(networks_.Bound()), client_(networks_.Open()) {
    to_ = client_->Connect(server_->endpoint()).value();
  }

  Networks networks_{"memory"};
  const std::unique_ptr<Mailbox> server_, client_;
  Peer to_;
};

TEST_F(RequesterTest, GivingUpNamesWhatWasWaitedFor) {
  Requester requester(client_.get(), {.retry_after = milliseconds(5), .give_up_after = milliseconds(200)});
  const auto answer =
      requester.Call(to_, Pull(0, {}), "pull of clock 17 from shard 2 (server 1 at tcp://10.0.0.5:4711)");
  EXPECT_EQ(answer.status().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(answer.status().text(),
            "pull of clock 17 from shard 2 (server 1 at tcp://10.0.0.5:4711): no answer within 0.2 s");
  EXPECT_EQ(requester.waiting(), 0u);
  // It was asked more than once, each time for the same.
  std::set<std::uint64_t> requests;
  int count = 0;
  while (auto envelope = server_->Receive(Clock::now())) {
    requests.insert(envelope->message.header.request());
    ++count;
  }
  EXPECT_EQ(requests.size(), 1u);
  EXPECT_GT(count, 1);
}

TEST_F(RequesterTest, GivingUpTellsWhatThePeerSaidMeanwhile) {
  Requester requester(client_.get(), {.retry_after = milliseconds(5), .give_up_after = milliseconds(100)});
  requester.Send(to_, Pull(0, {}), "pull from shard 2");
  const auto request = server_->Receive(Soon());
  ASSERT_TRUE(request);
  ASSERT_TRUE(
      server_->Send(request->from, MakeReply(request->message.header, proto::UNAVAILABLE, "still loading")).ok());
  Status status;
  const Deadline deadline = Soon();
  while (status.ok() && Clock::now() < deadline) {
    if (auto envelope = client_->Receive(requester.next_tick())) {
      EXPECT_FALSE(requester.Match(std::move(*envelope)));
    }
    status = requester.Tick();
    while (auto again = server_->Receive(Clock::now())) {
      ASSERT_TRUE(
          server_->Send(again->from, MakeReply(again->message.header, proto::UNAVAILABLE, "still loading")).ok());
    }
  }
  EXPECT_THAT(status.text(), HasSubstr("pull from shard 2"));
  EXPECT_THAT(status.text(), HasSubstr("still loading"));
}

TEST_F(RequesterTest, StrayRepliesAreNotTakenForAnswers) {
  Requester requester(client_.get(), kPatient);
  auto other = networks_.Bound();
  const Peer to_other = client_->Connect(other->endpoint()).value();
  const std::uint64_t id = requester.Send(to_, Pull(0, {}), "pull");
  const auto header = Pull(id, {}).header;
  const auto match = [&](const Peer& from, const Message& message) {
    return requester.Match({from, message}).has_value();
  };
  EXPECT_FALSE(match(to_, Pull(id, {}))) << "a request of the peer's own";
  EXPECT_FALSE(match(to_other, MakeReply(header))) << "another peer's";
  EXPECT_FALSE(match(to_, MakeReply(Push(1).header))) << "another request's";
  proto::Header other_kind = header;
  other_kind.set_kind(proto::PUSH);
  EXPECT_FALSE(match(to_, MakeReply(other_kind))) << "another kind's";
  EXPECT_EQ(requester.waiting(), 1u);
  EXPECT_TRUE(match(to_, MakeReply(header)));
  EXPECT_FALSE(match(to_, MakeReply(header))) << "a repeated one";
  EXPECT_EQ(requester.waiting(), 0u);
}

TEST_F(RequesterTest, AGapIsFilledFromTheMissingNumberOnInOrder) {
  Requester requester(client_.get(), {.retry_after = milliseconds(400), .give_up_after = milliseconds(60000)});
  for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) requester.Send(to_, Push(sequence), "push");
  std::vector<Envelope> first;
  for (int i = 0; i < 4; ++i) first.push_back(server_->Receive(Soon()).value());
  // The server has 1 and lost 2; 3 makes it see the gap. 1 is answered.
  ASSERT_TRUE(server_->Send(first[0].from, MakeReply(first[0].message.header)).ok());
  Message gap = MakeReply(first[2].message.header, proto::OUT_OF_ORDER);
  gap.header.set_sequence(2);
  ASSERT_TRUE(server_->Send(first[2].from, gap).ok());
  EXPECT_TRUE(requester.Match(client_->Receive(Soon()).value()));
  EXPECT_FALSE(requester.Match(client_->Receive(Soon()).value()));
  EXPECT_LT(requester.next_tick(), Clock::now() + milliseconds(100)) << "sooner than an unanswered one";
  std::vector<std::uint64_t> again;
  const Deadline deadline = Soon();
  while (again.size() < 3 && Clock::now() < deadline) {
    EXPECT_FALSE(client_->Receive(requester.next_tick()));
    ASSERT_TRUE(requester.Tick().ok());
    while (auto envelope = server_->Receive(Clock::now())) again.push_back(envelope->message.header.sequence());
  }
  EXPECT_EQ(again, (std::vector<std::uint64_t>{2, 3, 4}));
}

TEST_F(RequesterTest, WhatWasRefusedBehindAMessageFollowsItAtOnce) {
  constexpr std::chrono::hours kLater{1};  // a tenth of which a refused one waits
  Requester requester(client_.get(), {.retry_after = kLater, .give_up_after = 24 * kLater});
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) requester.Send(to_, Push(sequence), "push");
  std::vector<Envelope> first;
  for (int i = 0; i < 3; ++i) first.push_back(server_->Receive(Soon()).value());
  const auto answer = [&](int i, proto::StatusCode code) {
    Message reply = MakeReply(first[i].message.header, code);
    reply.header.set_sequence(1);
    return requester.Match({.from = to_, .message = reply}).has_value();
  };
  EXPECT_FALSE(answer(0, proto::UNAVAILABLE));
  EXPECT_FALSE(answer(1, proto::OUT_OF_ORDER));
  EXPECT_GT(requester.next_tick(), Clock::now());
  EXPECT_TRUE(answer(0, proto::OK));
  ASSERT_TRUE(requester.Tick().ok());
  EXPECT_EQ(server_->Receive(Soon()).value().message.header.sequence(), 2u);
  EXPECT_FALSE(server_->Receive(Clock::now())) << "the third was not refused";
  EXPECT_GT(requester.next_tick(), Clock::now()) << "once is enough";
}

TEST_F(RequesterTest, ARequestThatCanNeverBeSentFailsAtOnce) {
  Networks small("memory", [](Limits* limits) { limits->max_frame_bytes = 10; });
  auto server = small.Bound();
  auto client = small.Open();
  Requester requester(client.get(), kPatient);
  const auto answer =
      requester.Call(client->Connect(server->endpoint()).value(), Pull(0, {std::string(11, 'x')}), "pull");
  EXPECT_EQ(answer.status().code(), ErrorCode::kInvalid);
  EXPECT_THAT(answer.status().text(), HasSubstr("11 bytes"));
}

TEST_F(RequesterTest, CallReturnsTheAnswerOrItsErrorAndKeepsAWake) {
  std::thread serving([&] {
    for (int i = 0; i < 2; ++i) {
      const auto request = server_->Receive(Soon());
      ASSERT_TRUE(request);
      client_->Wake();
      std::this_thread::sleep_for(milliseconds(5));
      const auto code = i == 0 ? proto::OK : proto::FAILED;
      ASSERT_TRUE(server_->Send(request->from, MakeReply(request->message.header, code, "disk full")).ok());
    }
  });
  Requester requester(client_.get(), kPatient);
  EXPECT_TRUE(requester.Call(to_, Pull(0, {}), "pull").ok());
  EXPECT_FALSE(client_->Receive(Deadline::max())) << "the wake was for us";
  const auto failed = requester.Call(to_, Pull(0, {}), "checkpoint of shard 1");
  EXPECT_EQ(failed.status().text(), "checkpoint of shard 1: disk full");
  EXPECT_EQ(failed.status().code(), ErrorCode::kBadData);
  serving.join();
}

TEST(Message, ControlBodiesComeBackAsTheyWere) {
  proto::NextTask body;
  body.set_clock(17);
  const Message message = MakeControl(proto::NEXT_TASK, body);
  EXPECT_EQ(message.header.kind(), proto::NEXT_TASK);
  proto::NextTask parsed;
  ASSERT_TRUE(ParseBody(message, &parsed).ok());
  EXPECT_EQ(parsed.clock(), 17u);
}

TEST(Message, BadBodiesAreErrorsThatNameTheKind) {
  Message message = MakeControl(proto::START_EPOCH, proto::StartEpoch());
  proto::StartEpoch parsed;
  message.frames[0] = Frame::Of("\xff\xff\xff");
  EXPECT_THAT(ParseBody(message, &parsed).text(), HasSubstr("start epoch"));
  message.frames.clear();
  EXPECT_EQ(ParseBody(message, &parsed).code(), ErrorCode::kInvalid);
  message.frames.resize(2);
  EXPECT_EQ(ParseBody(message, &parsed).code(), ErrorCode::kInvalid);
}

TEST(Message, RepliesRepeatWhatARequesterGoesBy) {
  Message request = Pull(9, {});
  request.header.set_job(kJob);
  request.header.set_shard(3);
  const Message reply = MakeReply(request.header, proto::STALE, "of incarnation 1, 2 is current");
  EXPECT_TRUE(reply.header.reply());
  EXPECT_EQ(reply.header.request(), 9u);
  EXPECT_EQ(reply.header.shard(), 3u);
  EXPECT_EQ(reply.header.job(), kJob);
  EXPECT_EQ(reply.header.kind(), proto::PULL);
  EXPECT_EQ(StatusOf(reply.header).code(), ErrorCode::kUnavailable);
  EXPECT_THAT(StatusOf(reply.header).text(), HasSubstr("of incarnation 1"));
  EXPECT_TRUE(StatusOf(MakeReply(request.header).header).ok());
}

}  // namespace
}  // namespace sherd
