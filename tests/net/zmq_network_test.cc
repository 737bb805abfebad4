// What only ZeroMQ has: strangers on the wire, and keys.

#include "net/zmq_network.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <set>

#include "base/hash.h"
#include "net/seal.h"
#include "tests/net/networks.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

// A client that says what it likes.
class RawClient {
 public:
  explicit RawClient(const std::string& endpoint, const CurveKeys* keys = nullptr, int type = ZMQ_DEALER)
      : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type)) {
    const int linger = 1000;
    zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof(linger));
    if (keys != nullptr) {
      zmq_setsockopt(socket_, ZMQ_CURVE_SERVERKEY, keys->server_public.c_str(), 41);
      zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, keys->client_public.c_str(), 41);
      zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, keys->client_secret.c_str(), 41);
    }
    CHECK_EQ(zmq_connect(socket_, endpoint.c_str()), 0);
  }
  ~RawClient() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  void Send(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      CHECK_GE(zmq_send(socket_, parts[i].data(), parts[i].size(), i + 1 < parts.size() ? ZMQ_SNDMORE : 0), 0);
    }
  }

 private:
  void* const context_;
  void* const socket_;
};

std::string RandomBytes(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(Mix(seed, i));
  return bytes;
}

std::string SealedHeader(const WireRules& rules, Checksums checksums, const Message& message) {
  Sealer sealer;
  return std::string(sealer.Seal(rules, checksums, message).value());
}

Message Good(std::uint64_t request) { return Pull(request, {"eight by", std::string(900, 'v')}); }

// The mailbox still serves whoever keeps to the rules.
void ExpectServes(Networks* networks, Mailbox* server) {
  auto client = networks->Open();
  const Peer to = client->Connect(server->endpoint()).value();
  ASSERT_TRUE(client->Send(to, Good(4711)).ok());
  const Deadline deadline = Soon();
  while (Clock::now() < deadline) {
    const auto envelope = server->Receive(deadline);
    if (envelope && envelope->message.header.request() == 4711) return;
  }
  ADD_FAILURE() << "nothing came";
}

class ZmqWireTest : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Wires, ZmqWireTest, ::testing::Values("ipc", "tcp"), [](const auto& i) { return i.param; });

TEST_P(ZmqWireTest, RandomBytesAreCountedAndDoNoHarm) {
  Networks networks(GetParam());
  auto server = networks.Bound();
  RawClient raw(server->endpoint());
  constexpr std::uint64_t kMessages = 400;
  for (std::uint64_t m = 0; m < kMessages; ++m) {
    std::vector<std::string> parts;
    for (std::uint64_t p = 0; p <= Below(Mix(m, 1), 6); ++p) {
      parts.push_back(RandomBytes(Mix(m, p), Below(Mix(m, p, 2), p == 0 ? 60 : 3000)));
    }
    raw.Send(parts);
  }
  const Deadline deadline = Soon();
  while (server->malformed() < kMessages && Clock::now() < deadline) {
    EXPECT_FALSE(server->Receive(Clock::now() + std::chrono::milliseconds(5)));
  }
  EXPECT_EQ(server->malformed(), kMessages);
  ExpectServes(&networks, server.get());
}

// One flipped bit anywhere: in the header the message is either refused or parses as another header; in a frame over
// tcp the checksum tells.
TEST_P(ZmqWireTest, FlippedBitsNeverCrashAndAreSeenInFramesOverTcp) {
  Networks networks(GetParam());
  auto server = networks.Bound();
  RawClient raw(server->endpoint());
  Message good = Good(1);
  const auto checksums = GetParam() == "tcp" ? Checksums::kRequired : Checksums::kNone;
  const std::string header = SealedHeader({.job = kJob}, checksums, good);
  const std::vector<std::string> texts = Texts(good);
  std::uint64_t sent = 0, in_frames = 0, received = 0;
  const auto send = [&](std::vector<std::string> parts, std::size_t part, std::size_t bit) {
    parts[part][bit / 8] = static_cast<char>(parts[part][bit / 8] ^ (1 << (bit % 8)));
    raw.Send(parts);
    ++sent;
  };
  const std::vector<std::string> parts = {header, texts[0], texts[1]};
  for (std::size_t bit = 0; bit < 8 * header.size(); ++bit) send(parts, 0, bit);
  for (std::size_t bit = 0; bit < 8 * texts[0].size(); ++bit, ++in_frames) send(parts, 1, bit);
  const Deadline deadline = Soon();
  while (received + server->malformed() < sent && Clock::now() < deadline) {
    const auto envelope = server->Receive(Clock::now() + std::chrono::milliseconds(5));
    if (!envelope) continue;
    ++received;
    EXPECT_EQ(envelope->message.header.job(), kJob);
    if (GetParam() == "tcp") {
      EXPECT_EQ(Texts(envelope->message), texts);
    }
  }
  EXPECT_EQ(received + server->malformed(), sent);
  EXPECT_GE(server->malformed(), GetParam() == "tcp" ? in_frames : 64) << "at least version and job";
  ExpectServes(&networks, server.get());
}

TEST_P(ZmqWireTest, EveryTruncationOfAHeaderIsSurvived) {
  Networks networks(GetParam());
  auto server = networks.Bound();
  RawClient raw(server->endpoint());
  Message good = Good(1);
  const std::string header = SealedHeader({.job = kJob}, Checksums::kRequired, good);
  const std::vector<std::string> texts = Texts(good);
  for (std::size_t length = 0; length < header.size(); ++length)
    raw.Send({header.substr(0, length), texts[0], texts[1]});
  raw.Send({header, texts[0], texts[1]});
  // Over tcp only the whole one has the checksums asked for; elsewhere a header may also end before its checksums.
  const Deadline deadline = Soon();
  std::uint64_t received = 0;
  while (received + server->malformed() < header.size() + 1 && Clock::now() < deadline) {
    const auto envelope = server->Receive(Clock::now() + std::chrono::milliseconds(5));
    if (!envelope) continue;
    ++received;
    EXPECT_EQ(Texts(envelope->message), texts);
    EXPECT_EQ(envelope->message.header.kind(), proto::PULL);
    EXPECT_EQ(envelope->message.header.job(), kJob);
  }
  EXPECT_EQ(received + server->malformed(), header.size() + 1);
  if (GetParam() == "tcp") {
    EXPECT_EQ(received, 1u);
  }
}

TEST_P(ZmqWireTest, MoreFramesThanAMessageMayHaveAreDropped) {
  Networks networks(GetParam());
  auto server = networks.Bound();
  RawClient raw(server->endpoint());
  Message good = Pull(1, {});
  std::vector<std::string> parts = {SealedHeader({.job = kJob}, Checksums::kNone, good)};
  parts.resize(1 + kMaxFrames + 1, "x");
  raw.Send(parts);
  const Deadline deadline = Soon();
  while (server->malformed() == 0 && Clock::now() < deadline) {
    EXPECT_FALSE(server->Receive(Clock::now() + std::chrono::milliseconds(5)));
  }
  EXPECT_EQ(server->malformed(), 1u);
  ExpectServes(&networks, server.get());
}

TEST_P(ZmqWireTest, AnOversizedFrameEndsItsConnectionAlone) {
  Networks networks(GetParam(), [](Limits* limits) { limits->max_frame_bytes = 1000; });
  auto server = networks.Bound();
  RawClient raw(server->endpoint());
  Message good = Pull(666, {});
  // Over the limit of a header too, which the sockets must let through.
  raw.Send({SealedHeader({.job = kJob}, Checksums::kRequired, good), std::string(2 << 20, 'x')});
  auto client = networks.Open();
  const Peer to = client->Connect(server->endpoint()).value();
  for (std::uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(client->Send(to, Good(i)).ok());
    const auto envelope = server->Receive(Soon());
    ASSERT_TRUE(envelope);
    EXPECT_EQ(envelope->message.header.request(), i);
  }
}

TEST_P(ZmqWireTest, AnotherKindOfSocketIsSurvived) {
  Networks networks(GetParam());
  auto server = networks.Bound();
  RawClient asking(server->endpoint(), nullptr, ZMQ_REQ);  // puts an empty part first
  RawClient publishing(server->endpoint(), nullptr, ZMQ_PUB);
  asking.Send({"hello"});
  publishing.Send({"hello"});
  const Deadline deadline = Soon();
  while (server->malformed() == 0 && Clock::now() < deadline) {
    EXPECT_FALSE(server->Receive(Clock::now() + std::chrono::milliseconds(5)));
  }
  ExpectServes(&networks, server.get());
}

TEST(ZmqNetwork, BytesThatAreNotEvenZeroMqAreSurvived) {
  for (const char* transport : {"tcp", "curve"}) {
    Networks networks(transport);
    auto server = networks.Bound();
    const int port = std::stoi(server->endpoint().substr(server->endpoint().rfind(':') + 1));
    for (std::uint64_t i = 0; i < 50; ++i) {
      const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(port));
      ASSERT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
      std::string bytes = RandomBytes(i, Below(Mix(i), 4000));
      if (i % 2 == 0) bytes.insert(0, std::string("\xff\0\0\0\0\0\0\0\x01\x7f\x03", 11));  // a ZMTP signature
      EXPECT_EQ(send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
      close(descriptor);
    }
    ExpectServes(&networks, server.get());
  }
}

TEST(ZmqNetwork, TcpPortsAreFilledIn) {
  Networks networks("tcp");
  auto a = networks.Bound(), b = networks.Bound();
  EXPECT_THAT(a->endpoint(), ::testing::MatchesRegex("tcp://127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_NE(a->endpoint(), b->endpoint());
}

TEST(ZmqNetwork, TcpMessagesWithoutChecksumsAreRefused) {
  Networks networks("tcp");
  auto server = networks.Bound();
  RawClient raw(server->endpoint());
  Message bare = Good(1);
  const std::string header = SealedHeader({.job = kJob}, Checksums::kNone, bare);
  raw.Send({header, Texts(bare)[0], Texts(bare)[1]});
  const Deadline deadline = Soon();
  while (server->malformed() == 0 && Clock::now() < deadline) {
    EXPECT_FALSE(server->Receive(Clock::now() + std::chrono::milliseconds(5)));
  }
  EXPECT_EQ(server->malformed(), 1u);
}

class CurveTest : public ::testing::Test {
 protected:
  CurveTest() : keys_(MakeCurveKeys()), network_(MakeZmq({.job = kJob, .keys = keys_})), server_(network_->Open()) {
    const Status status = server_->Bind("tcp://127.0.0.1:*");
    CHECK(status.ok()) << status.text();
  }

  // Whether the server hears from a client with these keys. A client of the job comes after it, and is heard: by then
  // the stranger had its chance as well.
  bool Hears(const std::optional<CurveKeys>& keys) {
    const auto stranger_network = MakeZmq({.job = kJob, .keys = keys, .linger = std::chrono::milliseconds(0)});
    const auto stranger = stranger_network->Open();
    const Peer to = stranger->Connect(server_->endpoint()).value();
    (void)stranger->Send(to, Good(1));  // fails where the server was quicker to refuse the connection
    bool heard = Receives(1, Clock::now() + std::chrono::milliseconds(300));
    const auto friends = network_->Open();
    const Peer to_server = friends->Connect(server_->endpoint()).value();
    CHECK(friends->Send(to_server, Good(2)).ok());
    const Deadline deadline = Soon();
    while (Clock::now() < deadline) {
      const auto envelope = server_->Receive(deadline);
      if (!envelope) break;
      if (envelope->message.header.request() == 2) return heard;
      heard = true;
    }
    ADD_FAILURE() << "the job's own client was not heard";
    return heard;
  }

  bool Receives(std::uint64_t request, Deadline deadline) {
    const auto envelope = server_->Receive(deadline);
    return envelope && envelope->message.header.request() == request;
  }

  const CurveKeys keys_;
  const std::unique_ptr<ZmqNetwork> network_;
  const std::unique_ptr<Mailbox> server_;
};

TEST_F(CurveTest, AClientOfTheJobInAnotherProcessIsHeard) {
  EXPECT_TRUE(Hears(keys_));
  EXPECT_EQ(network_->refused_connections(), 0u);
}

TEST_F(CurveTest, AnotherClientKeyIsNotHeardThoughItKnowsTheServersKey) {
  CurveKeys stranger = MakeCurveKeys();
  stranger.server_public = keys_.server_public;
  EXPECT_FALSE(Hears(stranger));
  EXPECT_GE(network_->refused_connections(), 1u);
}

TEST_F(CurveTest, AClientOfAnotherServerKeyIsNotHeard) {
  CurveKeys mistaken = keys_;
  mistaken.server_public = MakeCurveKeys().server_public;
  EXPECT_FALSE(Hears(mistaken));
}

TEST_F(CurveTest, APlainClientIsNotHeard) { EXPECT_FALSE(Hears(std::nullopt)); }

TEST_F(CurveTest, AnEncryptedClientTellsAPlainServerNothing) {
  Networks plain("tcp");
  auto server = plain.Bound();
  auto client = network_->Open();
  const Peer to = client->Connect(server->endpoint()).value();
  ASSERT_TRUE(client->Send(to, Good(1)).ok());
  EXPECT_FALSE(server->Receive(Clock::now() + std::chrono::milliseconds(300)));
  EXPECT_EQ(server->bytes_received(), 0u);
}

TEST_F(CurveTest, AFriendWithTheKeysIsStillCheckedForWhatItSays) {
  RawClient raw(server_->endpoint(), &keys_);
  raw.Send({RandomBytes(1, 40), RandomBytes(2, 400)});
  const Deadline deadline = Soon();
  while (server_->malformed() == 0 && Clock::now() < deadline) {
    EXPECT_FALSE(server_->Receive(Clock::now() + std::chrono::milliseconds(5)));
  }
  EXPECT_EQ(server_->malformed(), 1u);
}

TEST_F(CurveTest, TheLongestFrameAllowedArrivesEncrypted) {
  constexpr std::size_t kMost = 2 << 20;
  const auto network = MakeZmq({.job = kJob, .keys = keys_, .max_frame_bytes = kMost});
  const auto server = network->Open(), client = network->Open();
  ASSERT_TRUE(server->Bind("tcp://127.0.0.1:*").ok());
  const Peer to = client->Connect(server->endpoint()).value();
  ASSERT_TRUE(client->Send(to, Pull(1, {std::string(kMost, 'x')})).ok());
  const auto envelope = server->Receive(Soon());
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->message.frames.at(0).size(), kMost);
}

TEST_F(CurveTest, MemoryAndLocalSocketsNeedNoKeys) {
  auto server = network_->Open();
  ASSERT_TRUE(server->Bind("inproc://unlocked").ok());
  auto client = network_->Open();
  ASSERT_TRUE(client->Send(client->Connect("inproc://unlocked").value(), Good(1)).ok());
  EXPECT_TRUE(server->Receive(Soon()));
}

TEST(CurveKeys, AreFreshAndFormTwoPairs) {
  const CurveKeys a = MakeCurveKeys(), b = MakeCurveKeys();
  const std::set<std::string> all = {a.server_public, a.server_secret, a.client_public, a.client_secret,
                                     b.server_public, b.server_secret, b.client_public, b.client_secret};
  EXPECT_EQ(all.size(), 8u);
  for (const std::string& key : all) EXPECT_EQ(key.size(), 40u);
}

TEST(CurveKeys, ThatAreNoneAreInvalid) {
  CurveKeys keys = MakeCurveKeys();
  keys.client_secret.pop_back();
  const auto network = ZmqNetwork::Create({.job = kJob, .keys = keys});
  EXPECT_EQ(network.status().code(), ErrorCode::kInvalid);
  EXPECT_THAT(network.status().text(), HasSubstr("40 characters"));
  EXPECT_EQ(network.status().text().find(keys.client_secret), std::string::npos);
}

}  // namespace
}  // namespace sherd
