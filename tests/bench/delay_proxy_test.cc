#include "bench/delay_proxy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "net/zmq_network.h"

namespace sherd::bench {
namespace {

constexpr std::chrono::milliseconds kDelay(30);
constexpr std::chrono::seconds kPatience(10);

Message MakeRequest(const std::string& text) {
  Message message;
  message.header.set_kind(proto::PULL);
  message.header.set_job(7);
  message.header.set_request(1);
  message.frames.push_back(Frame::Of(text));
  return message;
}

TEST(DelayProxy, HandsAllBytesOnAndEachWaySoMuchLater) {
  auto network = ZmqNetwork::Create({.job = 7, .keys = std::nullopt});
  ASSERT_TRUE(network.ok());
  const auto server = (*network)->Open(), client = (*network)->Open();
  ASSERT_TRUE(server->Bind("tcp://127.0.0.1:*").ok());
  auto proxy = DelayProxy::Start(server->endpoint(), kDelay);
  ASSERT_TRUE(proxy.ok());
  const auto peer = client->Connect((*proxy)->endpoint());
  ASSERT_TRUE(peer.ok());
  std::string text(5'000'000, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 7);

  for (int round = 0; round < 3; ++round) {
    const auto sent = std::chrono::steady_clock::now();
    ASSERT_TRUE(client->Send(*peer, MakeRequest(text)).ok());
    auto request = server->Receive(Clock::now() + kPatience);
    ASSERT_TRUE(request.has_value());
    EXPECT_GE(std::chrono::steady_clock::now() - sent, kDelay);
    Message reply = MakeReply(request->message.header);
    reply.frames = request->message.frames;
    ASSERT_TRUE(server->Send(request->from, std::move(reply)).ok());
    const auto answer = client->Receive(Clock::now() + kPatience);
    ASSERT_TRUE(answer.has_value());
    EXPECT_GE(std::chrono::steady_clock::now() - sent, 2 * kDelay);
    ASSERT_EQ(answer->message.frames.size(), 1u);
    const auto bytes = answer->message.frames[0].As<char>();
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), text.begin(), text.end()));
  }
}

}  // namespace
}  // namespace sherd::bench
