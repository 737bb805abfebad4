#include <stdlib.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "bench/bench_case.h"
#include "net/zmq_network.h"

namespace sherd::bench {
namespace {

constexpr std::size_t kKeys = 8192, kFloats = 17;
constexpr int kRounds = 100;
constexpr std::chrono::seconds kPatience(30);

Frame FrameOf(std::shared_ptr<const std::vector<std::byte>> bytes) { return Frame(*bytes, bytes); }

std::shared_ptr<std::vector<std::byte>> RandomBytes(std::size_t size) {
  auto bytes = std::make_shared<std::vector<std::byte>>(size);
  for (std::size_t i = 0; i < size; ++i) (*bytes)[i] = static_cast<std::byte>(Mix(i, size));
  return bytes;
}

Message MakeMessage(proto::Kind kind, std::vector<Frame> frames) {
  Message message;
  message.header.set_kind(kind);
  message.header.set_request(1);
  message.frames = std::move(frames);
  return message;
}

// Answers pulls with rows and pushes with nothing, until it is sent a STOP.
void Serve(Mailbox* mailbox, const Frame& rows) {
  while (true) {
    std::optional<Envelope> envelope = mailbox->Receive(Clock::now() + kPatience);
    if (!envelope || envelope->message.header.kind() == proto::STOP) return;
    Message reply = MakeReply(envelope->message.header);
    if (envelope->message.header.kind() == proto::PULL) reply.frames.push_back(rows);
    if (!mailbox->Send(envelope->from, std::move(reply)).ok()) return;
  }
}

Result<Message> Exchange(Mailbox* mailbox, const Peer& to, Message message) {
  RETURN_IF_ERROR(mailbox->Send(to, std::move(message)));
  std::optional<Envelope> envelope = mailbox->Receive(Clock::now() + kPatience);
  if (!envelope) return Status::Unavailable("no answer over ipc");
  return std::move(envelope->message);
}

Status RunRounds(Mailbox* client, const Peer& server, const Frame& keys, const Frame& rows) {
  for (int round = 0; round < kRounds; ++round) {
    ASSIGN_OR_RETURN(const Message pulled, Exchange(client, server, MakeMessage(proto::PULL, {keys})));
    if (pulled.frames.size() != 1 || pulled.frames[0].size() != rows.size() ||
        std::memcmp(pulled.frames[0].bytes().data(), rows.bytes().data(), rows.size()) != 0) {
      return Status::BadData("the rows that came are not those that were sent");
    }
    RETURN_IF_ERROR(Exchange(client, server, MakeMessage(proto::PUSH, {keys, rows})).status());
  }
  return {};
}

Result<Figure> Measure(const std::string& endpoint) {
  ASSIGN_OR_RETURN(const auto network, ZmqNetwork::Create({.job = 1, .keys = {}}));
  const std::unique_ptr<Mailbox> server = network->Open(), client = network->Open();
  RETURN_IF_ERROR(server->Bind(endpoint));
  ASSIGN_OR_RETURN(const Peer peer, client->Connect(endpoint));
  const Frame keys = FrameOf(RandomBytes(kKeys * sizeof(Key))),
              rows = FrameOf(RandomBytes(kKeys * kFloats * sizeof(float)));
  std::jthread serving([&] { Serve(server.get(), rows); });
  std::vector<std::byte> copy(rows.size());
  Status failed;
  // Twice the keys and the rows, once each way.
  const double bytes = 2.0 * kRounds * static_cast<double>(keys.size() + rows.size());
  const Figure figure =
      CompareInTurns(bytes / 1e6, "MB/s", [&] { failed = RunRounds(client.get(), peer, keys, rows); }, {[&] {
                       for (int round = 0; round < 2 * kRounds; ++round) {
                         std::memcpy(copy.data(), keys.bytes().data(), keys.size());
                         std::memcpy(copy.data(), rows.bytes().data(), rows.size());
                         asm volatile("" : : "r"(copy.data()) : "memory");  // the copies are wanted
                       }
                     }});
  RETURN_IF_ERROR(client->Send(peer, MakeMessage(proto::STOP, {})));
  RETURN_IF_ERROR(failed);
  return figure;
}

}  // namespace

Status WirePushPull(const Options& options, const Report& report) {
  std::string folder = "/tmp/sherd-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return Status::Io("make a folder", errno);
  const Result<Figure> figure = Measure("ipc://" + folder + "/socket");
  RETURN_IF_ERROR(RemoveTree(folder));
  if (figure.ok()) report(figure.value());
  return figure.status();
}

}  // namespace sherd::bench
