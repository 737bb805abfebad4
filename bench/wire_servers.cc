#include "bench/wire_servers.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "net/pulled_keys.h"
#include "ps/shard.h"
#include "ps/shard_thread.h"

namespace sherd::bench {
namespace {

using Map = std::unordered_map<Key, std::vector<float>>;

Frame Gather(const Map& map, std::span<const Key> keys) {
  auto values = std::make_shared<AlignedBuffer<float>>(keys.size() * kWireDim);
  float* to = values->data();
  for (const Key key : keys) {
    const auto found = map.find(key);
    if (found == map.end()) {
      std::fill(to, to + kWireDim, 0.0f);
    } else {
      std::copy(found->second.begin(), found->second.end(), to);
    }
    to += kWireDim;
  }
  return Frame(std::as_bytes(values->span()), values);
}

void Update(std::span<const Key> keys, const float* gradients, float rate, Map* map) {
  for (const Key key : keys) {
    std::vector<float>& row = (*map)[key];
    row.resize(kWireDim);
    for (std::uint32_t i = 0; i < kWireDim; ++i) row[i] -= rate * gradients[i];
    gradients += kWireDim;
  }
}

}  // namespace

proto::ModelSpec WireModel(const proto::Optimizer& optimizer) {
  proto::ModelSpec model;
  proto::TableSpec* table = model.add_table();
  table->set_name("rows");
  proto::SegmentSpec* segment = table->add_segment();
  segment->set_name("v");
  segment->set_dim(kWireDim);
  *segment->mutable_optimizer() = optimizer;
  segment->mutable_initializer()->set_kind(proto::Initializer::ZERO);
  return model;
}

void ServeShard(const proto::ModelSpec& model, Network* network, std::unique_ptr<Mailbox> mailbox) {
  auto store = ShardStore::Make(model, 1, 0, 1);
  CHECK(store.ok()) << store.status().text();
  auto shard = std::make_unique<Shard>(ShardOptions(), std::move(store).value());
  proto::StartEpoch start;
  start.add_worker(0);
  shard->Handle({.from = "", .message = MakeControl(proto::START_EPOCH, start)});
  const std::unique_ptr<Mailbox> server = network->Open();
  ShardThread thread(std::move(mailbox), std::move(shard), "shard 0", 1);
  thread.Start(server.get());
  while (!thread.done()) server->Receive(Deadline::max());
}

void ServeMap(std::unique_ptr<Mailbox> mailbox) {
  Map map;
  PulledKeys pulled;
  while (true) {
    std::optional<Envelope> request = mailbox->Receive(Clock::now() + std::chrono::seconds(1));
    if (!request) continue;
    Message& message = request->message;
    Message reply = MakeReply(message.header);
    if (message.header.has_keys_of()) CHECK(pulled.GiveTo(&message) == PulledKeys::Given::kYes);
    const std::span<const Key> keys = message.frames[0].As<Key>();
    if (message.header.kind() == proto::PULL) {
      pulled.Note(message);
      reply.frames.push_back(Gather(map, keys));
    } else {
      const float rate = kWireRate / static_cast<float>(message.header.rows());
      Update(keys, message.frames[1].As<float>().data(), rate, &map);
    }
    CHECK(mailbox->Send(request->from, std::move(reply)).ok());
  }
}

}  // namespace sherd::bench
