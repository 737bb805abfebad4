// The behaviour that every transport shares, run over each of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "net/memory_network.h"
#include "net/seal.h"
#include "tests/net/networks.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

// Receives until so many messages were found malformed; none may be handed on.
void ReceiveMalformed(Mailbox* mailbox, std::uint64_t count) {
  const Deadline deadline = Soon();
  while (mailbox->malformed() < count && Clock::now() < deadline) {
    EXPECT_FALSE(mailbox->Receive(Clock::now() + std::chrono::milliseconds(2)));
  }
  EXPECT_EQ(mailbox->malformed(), count);
}

// The next thing that each of the two receives is this request and its answer.
void RoundTrip(Mailbox* server, Mailbox* client, const Peer& to) {
  ASSERT_TRUE(client->Send(to, Pull(1234, {"good"})).ok());
  const auto request = server->Receive(Soon());
  ASSERT_TRUE(request);
  ASSERT_EQ(request->message.header.request(), 1234u);
  ASSERT_TRUE(server->Send(request->from, MakeReply(request->message.header)).ok());
  const auto answer = client->Receive(Soon());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->message.header.request(), 1234u);
  EXPECT_EQ(answer->message.header.code(), proto::OK);
}

class NetworkTest : public ::testing::TestWithParam<std::string> {
 protected:
  Networks networks_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Transports, NetworkTest, ::testing::ValuesIn(kTransports),
                         [](const auto& info) { return info.param; });

TEST_P(NetworkTest, RequestsAndRepliesFindTheirWay) {
  auto server = networks_.Bound();
  auto client = networks_.Open();
  const Peer to = client->Connect(server->endpoint()).value();
  Message request = Pull(7, {"keys", std::string(100000, 'k'), ""});
  request.header.set_clock(17);
  request.header.add_section()->set_count(3);
  ASSERT_TRUE(client->Send(to, std::move(request)).ok());

  auto received = server->Receive(Soon());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.header.clock(), 17u);
  EXPECT_EQ(received->message.header.job(), kJob);
  EXPECT_EQ(received->message.header.section(0).count(), 3u);
  EXPECT_EQ(Texts(received->message), (std::vector<std::string>{"keys", std::string(100000, 'k'), ""}));

  Message reply = MakeReply(received->message.header);
  reply.frames.push_back(Frame::Of("values"));
  ASSERT_TRUE(server->Send(received->from, std::move(reply)).ok());
  auto answer = client->Receive(Soon());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->from, to);
  EXPECT_EQ(answer->message.header.request(), 7u);
  EXPECT_TRUE(answer->message.header.reply());
  EXPECT_EQ(Texts(answer->message), std::vector<std::string>{"values"});
  EXPECT_EQ(client->bytes_sent(), server->bytes_received());
  EXPECT_EQ(server->bytes_sent(), client->bytes_received());
  EXPECT_GT(client->bytes_sent(), 100000u);
  EXPECT_EQ(server->malformed() + client->malformed(), 0u);
}

TEST_P(NetworkTest, ConnectMayComeBeforeBind) {
  const std::string endpoint = networks_.FixedEndpoint();
  auto client = networks_.Open();
  const Peer to = client->Connect(endpoint).value();
  ASSERT_TRUE(client->Send(to, Pull(1, {"early"})).ok());
  auto server = networks_.Open();
  ASSERT_TRUE(server->Bind(endpoint).ok());
  auto received = server->Receive(Soon());
  ASSERT_TRUE(received);
  EXPECT_EQ(Texts(received->message), std::vector<std::string>{"early"});
}

TEST_P(NetworkTest, MessagesOfEachPeerKeepTheirOrder) {
  constexpr std::uint64_t kClients = 3, kMessages = 500;
  auto server = networks_.Bound();
  std::vector<std::thread> clients;
  for (std::uint64_t c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      auto client = networks_.Open();
      const Peer to = client->Connect(server->endpoint()).value();
      for (std::uint64_t i = 0; i < kMessages; ++i) {
        Message message = Pull(i, {std::string(1 + i * 37 % 3000, static_cast<char>('a' + c))});
        message.header.set_index(static_cast<std::uint32_t>(c));
        EXPECT_TRUE(client->Send(to, std::move(message)).ok());
      }
      EXPECT_TRUE(client->Receive(Soon())) << "the answer to the last";
    });
  }
  std::map<std::uint32_t, std::uint64_t> next;
  std::map<std::uint32_t, Peer> peer;
  for (std::uint64_t n = 0; n < kClients * kMessages; ++n) {
    auto received = server->Receive(Soon());
    ASSERT_TRUE(received) << n << " came";
    const auto& header = received->message.header;
    ASSERT_EQ(header.request(), next[header.index()]++);
    ASSERT_EQ(Texts(received->message)[0],
              std::string(1 + header.request() * 37 % 3000, static_cast<char>('a' + header.index())));
    peer.try_emplace(header.index(), received->from);
    EXPECT_EQ(peer[header.index()], received->from);
    if (header.request() + 1 == kMessages) {
      EXPECT_TRUE(server->Send(received->from, MakeReply(header)).ok());
    }
  }
  for (auto& client : clients) client.join();
}

TEST_P(NetworkTest, OneMailboxServesAndAsksAtOnce) {
  auto a = networks_.Bound(), b = networks_.Bound();
  const Peer b_of_a = a->Connect(b->endpoint()).value();
  const Peer a_of_b = b->Connect(a->endpoint()).value();
  ASSERT_TRUE(a->Send(b_of_a, Pull(1, {"from a"})).ok());
  ASSERT_TRUE(b->Send(a_of_b, Pull(2, {"from b"})).ok());
  auto at_b = b->Receive(Soon());
  auto at_a = a->Receive(Soon());
  ASSERT_TRUE(at_a && at_b);
  EXPECT_EQ(Texts(at_a->message)[0], "from b");
  EXPECT_EQ(Texts(at_b->message)[0], "from a");
  EXPECT_NE(at_a->from, b_of_a) << "a peer who connected is another one than our connection to it";
}

TEST_P(NetworkTest, ABusyPeerDoesNotKeepOthersOut) {
  auto loud = networks_.Bound(), quiet = networks_.Bound();
  auto asking = networks_.Open();
  const Peer to_loud = asking->Connect(loud->endpoint()).value();
  const Peer to_quiet = asking->Connect(quiet->endpoint()).value();
  ASSERT_TRUE(asking->Send(to_loud, Pull(1, {})).ok());
  ASSERT_TRUE(asking->Send(to_quiet, Pull(2, {})).ok());
  const auto loud_request = loud->Receive(Soon());
  const auto quiet_request = quiet->Receive(Soon());
  ASSERT_TRUE(loud_request && quiet_request);
  std::atomic<bool> done{false};
  std::thread shouting([&] {
    while (!done) {
      if (!loud->Send(loud_request->from, MakeReply(loud_request->message.header)).ok()) std::this_thread::yield();
    }
  });
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(asking->Receive(Soon()));
  const Deadline deadline = Soon();
  while (!quiet->Send(quiet_request->from, MakeReply(quiet_request->message.header)).ok() && Clock::now() < deadline) {
    EXPECT_TRUE(asking->Receive(Soon()));
  }
  bool quiet_came = false;
  while (!quiet_came && Clock::now() < deadline) {
    const auto envelope = asking->Receive(deadline);
    quiet_came = envelope && envelope->from == to_quiet;
  }
  done = true;
  shouting.join();
  EXPECT_TRUE(quiet_came);
}

TEST_P(NetworkTest, AFrameLivesAsLongAsSomebodyHoldsIt) {
  auto released = std::make_shared<std::atomic<bool>>(false);
  std::vector<std::uint64_t> sent(20000);
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = i * i;
  std::optional<Frame> received;
  {
    auto server = networks_.Bound();
    auto client = networks_.Open();
    const Peer to = client->Connect(server->endpoint()).value();
    {
      auto* copy = new std::vector<std::uint64_t>(sent);
      std::shared_ptr<const void> owner(copy, [released](std::vector<std::uint64_t>* p) {
        std::fill(p->begin(), p->end(), 0xdeadu);
        delete p;
        *released = true;
      });
      Message message = Pull(1, {});
      message.frames.push_back(Frame(std::as_bytes(std::span(*copy)), std::move(owner)));
      ASSERT_TRUE(client->Send(to, std::move(message)).ok());
    }
    auto envelope = server->Receive(Soon());
    ASSERT_TRUE(envelope);
    received = envelope->message.frames.at(0);
  }
  // Both mailboxes are gone; over memory the bytes are still the sender's.
  const auto values = received->As<std::uint64_t>();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(values.data()) % 8, 0u);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), sent.begin(), sent.end()));
  if (networks_.in_process()) {
    EXPECT_FALSE(*released);
    received.reset();
  }
  const Deadline deadline = Soon();
  while (!*released && Clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(*released);
}

TEST_P(NetworkTest, InOneProcessFramesAreHandedOverNotCopied) {
  if (!networks_.in_process()) GTEST_SKIP() << "between processes bytes are copied";
  auto server = networks_.Bound();
  auto client = networks_.Open();
  const Peer to = client->Connect(server->endpoint()).value();
  Message message = Pull(1, {std::string(1 << 16, 'x')});
  const std::byte* sent = message.frames[0].bytes().data();
  ASSERT_TRUE(client->Send(to, std::move(message)).ok());
  auto received = server->Receive(Soon());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.frames[0].bytes().data(), sent);
}

TEST_P(NetworkTest, SmallFramesComeAligned) {
  auto server = networks_.Bound();
  auto client = networks_.Open();
  const Peer to = client->Connect(server->endpoint()).value();
  for (std::size_t size = 1; size < 200; ++size) {
    ASSERT_TRUE(client->Send(to, Pull(size, {std::string(size, 'a'), std::string(8 * size, 'b')})).ok());
  }
  for (std::size_t size = 1; size < 200; ++size) {
    auto received = server->Receive(Soon());
    ASSERT_TRUE(received);
    for (const Frame& frame : received->message.frames) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame.bytes().data()) % 8, 0u) << size;
    }
  }
}

TEST_P(NetworkTest, NothingComesAtTheDeadline) {
  auto mailbox = networks_.Bound();
  EXPECT_FALSE(mailbox->Receive(Clock::now() - std::chrono::seconds(1)));
  EXPECT_FALSE(mailbox->Receive(Clock::now() + std::chrono::milliseconds(5)));
}

TEST_P(NetworkTest, AWakeEndsTheReceiveThatWaitsAndTheNextOneAlone) {
  auto mailbox = networks_.Bound();
  mailbox->Wake();
  EXPECT_FALSE(mailbox->Receive(Deadline::max()));
  std::thread waker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    mailbox->Wake();
  });
  EXPECT_FALSE(mailbox->Receive(Deadline::max()));
  waker.join();

  auto client = networks_.Open();
  const Peer to = client->Connect(mailbox->endpoint()).value();
  ASSERT_TRUE(client->Send(to, Pull(1, {})).ok());
  EXPECT_TRUE(mailbox->Receive(Deadline::max())) << "no wake is left over";
}

TEST_P(NetworkTest, AFullQueueRefusesInsteadOfLosing) {
  Networks small(GetParam(), [](Limits* limits) { limits->queue_messages = 10; });
  const std::string endpoint = small.FixedEndpoint();
  auto client = small.Open();
  const Peer to = client->Connect(endpoint).value();
  std::uint64_t accepted = 0;
  Status status;
  while (accepted < 1000 && (status = client->Send(to, Pull(accepted, {}))).ok()) ++accepted;
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(status.text(), HasSubstr("pull"));
  EXPECT_GE(accepted, 10u);
  auto server = small.Open();
  ASSERT_TRUE(server->Bind(endpoint).ok());
  for (std::uint64_t i = 0; i < accepted; ++i) {
    auto received = server->Receive(Soon());
    ASSERT_TRUE(received) << i << " of " << accepted;
    EXPECT_EQ(received->message.header.request(), i);
  }
}

TEST_P(NetworkTest, APeerThatIsGoneIsUnavailable) {
  auto server = networks_.Bound();
  Peer from;
  {
    auto client = networks_.Open();
    const Peer to = client->Connect(server->endpoint()).value();
    ASSERT_TRUE(client->Send(to, Pull(1, {})).ok());
    auto received = server->Receive(Soon());
    ASSERT_TRUE(received);
    from = received->from;
  }
  const Deadline deadline = Soon();
  Status status;
  while ((status = server->Send(from, Pull(2, {}))).ok() && Clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
}

TEST_P(NetworkTest, TheLastRepliesOfAClosedMailboxStillArrive) {
  auto client = networks_.Open();
  {
    auto server = networks_.Bound();
    const Peer to = client->Connect(server->endpoint()).value();
    ASSERT_TRUE(client->Send(to, Pull(1, {})).ok());
    auto received = server->Receive(Soon());
    ASSERT_TRUE(received);
    for (int i = 0; i < 20; ++i) {
      Message reply = MakeReply(received->message.header);
      reply.frames.push_back(Frame::Of(std::string(500000, 'z')));
      ASSERT_TRUE(server->Send(received->from, std::move(reply)).ok());
    }
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client->Receive(Soon())) << i;
}

TEST_P(NetworkTest, MalformedRequestsAreAnsweredCountedAndNotHandedOn) {
  auto server = networks_.Bound();
  auto client = networks_.Open();
  const Peer to = client->Connect(server->endpoint()).value();
  const auto bad = [&](const std::function<void(Message*)>& spoil) {
    Message message = Pull(5, {"keys"});
    spoil(&message);
    return message;
  };
  const std::pair<const char*, Message> cases[] = {
      {"another job", bad([](Message* m) { m->header.set_job(kJob + 1); })},
      {"version 1", bad([](Message* m) { m->header.set_version(1); })},
      {"unknown kind", bad([](Message* m) { m->header.clear_kind(); })},
      {"unknown kind", bad([](Message* m) { m->header.set_kind(proto::KIND_UNSET); })},
      {"checksums", bad([](Message* m) {
         FillChecksums(m);
         m->frames.push_back(Frame::Of("one more"));
       })},
      {"damaged", bad([](Message* m) {
         FillChecksums(m);
         m->frames[0] = Frame::Of("kexs");
       })},
  };
  std::uint64_t count = 0;
  for (const auto& [text, message] : cases) {
    ASSERT_TRUE(client->Send(to, message).ok());
    ReceiveMalformed(server.get(), ++count);
    if (message.header.has_job()) continue;  // its refusal is for the other job: see below
    const auto answer = client->Receive(Soon());
    ASSERT_TRUE(answer) << text;
    EXPECT_EQ(answer->message.header.request(), 5u);
    EXPECT_EQ(answer->message.header.code(), std::string(text) == "damaged" ? proto::UNAVAILABLE : proto::INVALID);
    EXPECT_THAT(answer->message.header.text(), HasSubstr(text));
  }
  EXPECT_EQ(client->malformed(), 1u) << "the refusal for another job";
  RoundTrip(server.get(), client.get(), to);
}

TEST_P(NetworkTest, MalformedRepliesAreNeverAnswered) {
  auto server = networks_.Bound();
  auto client = networks_.Open();
  const Peer to = client->Connect(server->endpoint()).value();
  Message reply = MakeReply(Pull(5, {}).header);
  reply.header.set_version(9);
  reply.header.set_job(kJob);
  ASSERT_TRUE(client->Send(to, std::move(reply)).ok());
  ReceiveMalformed(server.get(), 1);
  RoundTrip(server.get(), client.get(), to);
  EXPECT_EQ(client->malformed(), 0u);
}

TEST_P(NetworkTest, WhatNoReceiverWouldTakeIsRefusedByItsSender) {
  Networks small(GetParam(), [](Limits* limits) { limits->max_frame_bytes = 1000; });
  auto server = small.Bound();
  auto client = small.Open();
  const Peer to = client->Connect(server->endpoint()).value();
  const Status big = client->Send(to, Pull(1, {std::string(1001, 'x')}));
  EXPECT_EQ(big.code(), ErrorCode::kInvalid);
  EXPECT_THAT(big.text(), HasSubstr("1001 bytes"));
  EXPECT_EQ(client->Send(to, Pull(1, std::vector<std::string>(kMaxFrames + 1))).code(), ErrorCode::kInvalid);
  Message text = Pull(1, {});
  text.header.set_text(std::string(kMaxHeaderBytes, 't'));
  EXPECT_EQ(client->Send(to, std::move(text)).code(), ErrorCode::kInvalid);
  ASSERT_TRUE(client->Send(to, Pull(2, {std::string(1000, 'x')})).ok());
  auto received = server->Receive(Soon());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.header.request(), 2u);
}

TEST_P(NetworkTest, BadEndpointsAreErrorsThatNameThem) {
  auto mailbox = networks_.Open();
  for (const std::string endpoint : {"", "nonsense", "udp://127.0.0.1:1"}) {
    EXPECT_THAT(mailbox->Bind(endpoint).text(), HasSubstr("'" + endpoint + "'"));
    EXPECT_FALSE(mailbox->Connect(endpoint).ok());
  }
  auto first = networks_.Bound();
  const Status taken = mailbox->Bind(first->endpoint());
  if (GetParam() != "ipc") {
    EXPECT_FALSE(taken.ok());
    EXPECT_THAT(taken.text(), HasSubstr(first->endpoint()));
  }
}

}  // namespace
}  // namespace sherd
