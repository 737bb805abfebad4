#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "proto/model_spec.pb.h"
#include "ps/shard.h"

namespace sherd {

// Two tables (one float by FTRL; two segments, four floats by Adam and one by SGD) and two tensors of four blocks in
// all.
proto::ModelSpec SmallModel();

// What one worker's minibatch has for every shard.
struct Gradients {
  std::uint32_t rows = 0;
  std::vector<std::map<Key, std::vector<float>>> tables;  // by table and key, sums over the rows
  std::vector<float> dense;                               // all blocks of the layout in order, without padding
};
// A pure function of (worker, clock).
Gradients GradientsOf(const proto::ModelSpec& model, std::uint32_t worker, std::uint64_t clock,
                      std::uint32_t keys = 60);

// Every row and dense block with its optimizer state, by (table, key); dense blocks are table -1 - tensor.
using Contents = std::map<std::pair<int, Key>, std::vector<float>>;
Contents ContentsOf(ShardStore& store);

// All shards of a job without a network: builds the messages of its workers and gives them to the shards.
class ShardCluster {
 public:
  struct Options {
    std::uint32_t shards = 1;
    proto::Train::Consistency consistency = proto::Train::ASYNC;
    std::uint32_t max_staleness = 4;
    std::uint64_t memory_budget = 0;  // of each shard
    std::optional<std::uint32_t> dense_staleness = std::nullopt;
    bool writes_at_once = true;  // the whole of a cut with the message that lets it be written
  };
  explicit ShardCluster(Options options);

  const proto::ModelSpec& model() const { return model_; }
  std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  Shard& shard(std::uint32_t i) { return *shards_[i]; }

  // Messages of a worker. Those with a sequence number take the next one of (worker, shard).
  Message Push(std::uint32_t shard, std::uint32_t worker, std::uint64_t clock, const Gradients& gradients);
  Message Pull(std::uint32_t shard, std::uint32_t worker, std::uint64_t clock, const std::vector<Key>& keys = {});
  Message Retire(std::uint32_t shard, std::uint32_t worker);
  Message Mark(std::uint32_t shard, std::uint32_t worker, std::uint32_t cut);

  // Gives a message to a shard. The peer is "w" and the worker's index, or "s" for a control message.
  std::vector<Envelope> Send(std::uint32_t shard, Message message);
  // Writes the shard's cut to the end.
  std::vector<Envelope> WriteCut(std::uint32_t shard);
  // The only reply, whose code is given.
  proto::StatusCode Code(std::uint32_t shard, Message message);
  // A control message to one shard; its only reply.
  Message Control(std::uint32_t shard, proto::Kind kind, const google::protobuf::MessageLite& body);

  void StartEpoch(std::uint32_t epoch, std::uint64_t clock, const std::vector<std::uint32_t>& workers);
  // A push of GradientsOf(worker, clock) to every shard, each of which must take it.
  void PushAll(std::uint32_t worker, std::uint64_t clock);
  proto::ShardStatus StatusOf(std::uint32_t shard);

  Contents contents() const;

 private:
  Message WorkerMessage(proto::Kind kind, std::uint32_t shard, std::uint32_t worker);
  void AddSections(std::uint32_t shard, const Gradients& gradients, Message* message) const;

  const proto::ModelSpec model_;
  const bool writes_at_once_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> sequence_;  // by worker and shard
  std::uint64_t request_ = 0;
};

// A frame of its own copy of the values.
template <typename T>
Frame FrameOf(const std::vector<T>& values) {
  auto owner = std::make_shared<const std::vector<T>>(values);
  return Frame(std::as_bytes(std::span(*owner)), owner);
}

// A folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sherd
