#include "net/chaos_network.h"

#include <gtest/gtest.h>

#include "net/memory_network.h"
#include "tests/net/networks.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMessages = 2000;

// The numbers of those messages that arrive, in the order in which they do, of kMessages over a network with faults.
struct Arrivals {
  std::vector<std::uint64_t> requests;
  std::uint64_t malformed = 0;
};

Arrivals Send(const Faults& faults) {
  MemoryNetwork memory({.job = kJob});
  ChaosNetwork chaos(&memory, faults);
  const auto server = memory.Open();
  EXPECT_TRUE(server->Bind("inproc://server").ok());
  auto client = chaos.Open();
  const Peer to = client->Connect("inproc://server").value();
  for (std::uint64_t i = 0; i < kMessages; ++i) EXPECT_TRUE(client->Send(to, Pull(i, {"a frame"})).ok());
  client.reset();  // what it held is sent now
  Arrivals arrivals;
  while (const auto envelope = server->Receive(Clock::now())) {
    arrivals.requests.push_back(envelope->message.header.request());
  }
  arrivals.malformed = server->malformed();
  return arrivals;
}

TEST(ChaosNetwork, TheSeedDecidesWhichMessagesSuffer) {
  const Faults faults{.seed = 3, .drop = 0.1, .corrupt = 0.1};
  const Arrivals first = Send(faults), again = Send(faults), other = Send({.seed = 4, .drop = 0.1, .corrupt = 0.1});
  EXPECT_EQ(first.requests, again.requests);
  EXPECT_EQ(first.malformed, again.malformed);
  EXPECT_NE(first.requests, other.requests);
}

TEST(ChaosNetwork, LosesAsManyAsItIsTold) {
  const auto lost = static_cast<double>(kMessages - Send({.drop = 0.25}).requests.size());
  EXPECT_NEAR(lost / kMessages, 0.25, 0.04);
}

TEST(ChaosNetwork, EveryDamagedMessageIsRefusedByItsChecksumAndCounted) {
  const Arrivals arrivals = Send({.corrupt = 0.25});
  EXPECT_EQ(arrivals.requests.size() + arrivals.malformed, kMessages);
  EXPECT_NEAR(static_cast<double>(arrivals.malformed) / kMessages, 0.25, 0.04);
}

TEST(ChaosNetwork, RepeatsWhatItHasSent) {
  const Arrivals arrivals = Send({.duplicate = 0.25});
  EXPECT_NEAR(static_cast<double>(arrivals.requests.size()) / kMessages, 1.25, 0.04);
}

TEST(ChaosNetwork, HoldsEveryMessageAndKeepsTheirOrder) {
  using std::chrono::milliseconds;
  MemoryNetwork memory({.job = kJob});
  ChaosNetwork chaos(&memory, {.delay = 1, .min_delay = milliseconds(20), .max_delay = milliseconds(20)});
  const auto server = memory.Open(), client = chaos.Open();
  ASSERT_TRUE(server->Bind("inproc://server").ok());
  const Peer to = client->Connect("inproc://server").value();
  const Deadline begin = Clock::now();
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(client->Send(to, Pull(i, {})).ok());
  EXPECT_FALSE(server->Receive(Clock::now()));
  EXPECT_FALSE(client->Receive(begin + milliseconds(40)));
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto envelope = server->Receive(Soon());
    ASSERT_TRUE(envelope);
    EXPECT_EQ(envelope->message.header.request(), i);
  }
}

}  // namespace
}  // namespace sherd
