// What was said on a connection of the job, said again by someone who has recorded it.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "net/zmq_network.h"
#include "tests/net/networks.h"

namespace sherd {
namespace {

using std::chrono::milliseconds;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int PortOf(const std::string& endpoint) { return std::stoi(endpoint.substr(endpoint.rfind(':') + 1)); }

int ConnectTo(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(port);
  CHECK_EQ(connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return descriptor;
}

void SendAll(int descriptor, const std::string& bytes) {
  (void)send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

// Stands between a client and a server, hands the bytes of one connection on, and keeps what the client says.
class Recorder {
 public:
  explicit Recorder(int target) : listener_(socket(AF_INET, SOCK_STREAM, 0)), target_(target) {
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof(address);
    CHECK_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    CHECK_EQ(listen(listener_, 1), 0);
    CHECK_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~Recorder() { Stop(); }

  int port() const { return port_; }
  // What was said up to now; ends the connection.
  const std::string& Stop() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
    return said_;
  }

 private:
  void Run() {
    pollfd waiting{listener_, POLLIN, 0};
    while (!over_ && poll(&waiting, 1, 20) == 0) {
    }
    if (!over_) Relay(accept(listener_, nullptr, nullptr), ConnectTo(target_));
    close(listener_);
  }

  void Relay(int client, int server) {
    pollfd ends[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    char bytes[65536];
    while (!over_) {
      poll(ends, 2, 20);
      for (int i = 0; i < 2; ++i) {
        const ssize_t n = recv(ends[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n <= 0) continue;
        SendAll(ends[1 - i].fd, std::string(bytes, static_cast<std::size_t>(n)));
        if (i == 0) said_.append(bytes, static_cast<std::size_t>(n));
      }
    }
    close(client);
    close(server);
  }

  const int listener_, target_;
  int port_ = 0;
  std::atomic<bool> over_{false};
  std::string said_;  // the thread's until it has ended
  std::thread thread_;
};

// A client waits for the server's greeting before it goes on.
void Replay(int descriptor, const std::string& said) {
  constexpr std::size_t kGreeting = 64;
  SendAll(descriptor, said.substr(0, kGreeting));
  std::this_thread::sleep_for(milliseconds(50));
  if (said.size() > kGreeting) SendAll(descriptor, said.substr(kGreeting));
}

constexpr std::uint64_t kPushes = 20;

// How many of so many messages a server takes.
std::uint64_t Taken(Mailbox* server, std::uint64_t most, Deadline deadline) {
  std::uint64_t taken = 0;
  while (taken < most && server->Receive(deadline)) ++taken;
  return taken;
}

// Records a client's pushes to a server that takes them.
std::string Record(const CurveKeys& keys, Mailbox* server) {
  Recorder recorder(PortOf(server->endpoint()));
  const auto network = MakeZmq({.job = kJob, .keys = keys});
  const auto client = network->Open();
  const Peer to = client->Connect("tcp://127.0.0.1:" + std::to_string(recorder.port())).value();
  for (std::uint64_t i = 1; i <= kPushes; ++i) {
    EXPECT_TRUE(client->Send(to, Pull(i, {"a secret of the job"})).ok());
  }
  EXPECT_EQ(Taken(server, kPushes, Soon()), kPushes);
  return recorder.Stop();
}

TEST(ReplayTest, RecordedTrafficSaysNothingAndIsNotHeardAgain) {
  const CurveKeys keys = MakeCurveKeys();
  const auto network = MakeZmq({.job = kJob, .keys = keys});
  const auto server = network->Open();
  ASSERT_TRUE(server->Bind("tcp://127.0.0.1:*").ok());
  const std::string said = Record(keys, server.get());
  ASSERT_GT(said.size(), kPushes * 30) << "nothing was recorded";
  EXPECT_EQ(said.find("a secret"), std::string::npos);
  EXPECT_EQ(said.find(keys.client_public), std::string::npos);

  const std::uint64_t before = server->bytes_received();
  std::vector<int> connections;
  for (std::size_t length = said.size(); length > 0; length = length * 3 / 4) {
    connections.push_back(ConnectTo(PortOf(server->endpoint())));
    Replay(connections.back(), said.substr(0, length));
  }
  // The server has new numbers of its own for each connection.
  EXPECT_EQ(Taken(server.get(), 1, Clock::now() + milliseconds(500)), 0u);
  EXPECT_EQ(server->bytes_received(), before);
  for (const int connection : connections) close(connection);

  const auto client = network->Open();
  ASSERT_TRUE(client->Send(client->Connect(server->endpoint()).value(), Pull(1, {})).ok());
  EXPECT_EQ(Taken(server.get(), 1, Soon()), 1u) << "it does not serve any more";
}

// What is on the wire without CURVE could be sent again: the test above tests something.
TEST(ReplayTest, WithoutEncryptionItWouldBe) {
  const auto network = MakeZmq({.job = kJob, .keys = std::nullopt});
  const auto server = network->Open(), client = network->Open();
  ASSERT_TRUE(server->Bind("tcp://127.0.0.1:*").ok());
  std::string said;
  {
    Recorder recorder(PortOf(server->endpoint()));
    const Peer to = client->Connect("tcp://127.0.0.1:" + std::to_string(recorder.port())).value();
    ASSERT_TRUE(client->Send(to, Pull(1, {"no secret"})).ok());
    ASSERT_EQ(Taken(server.get(), 1, Soon()), 1u);
    said = recorder.Stop();
  }
  EXPECT_NE(said.find("no secret"), std::string::npos);
  const int connection = ConnectTo(PortOf(server->endpoint()));
  Replay(connection, said);
  EXPECT_EQ(Taken(server.get(), 1, Clock::now() + milliseconds(3000)), 1u);
  close(connection);
}

}  // namespace
}  // namespace sherd
