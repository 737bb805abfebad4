#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/ps/shard_cluster.h"

namespace sherd {

inline constexpr char kPrimary[] = "primary", kFollower[] = "follower";

inline std::unique_ptr<Shard> MakeShard(const std::string& endpoint, proto::Train::Consistency consistency,
                                        std::uint32_t map_epoch = 1, const std::string& copies = "") {
  ShardOptions options{.shard = 0,
                       .map_epoch = map_epoch,
                       .train = {},
                       .memory_budget = 0,
                       .spill_dir = "",
                       .endpoint = endpoint,
                       .connect = [](const std::string& endpoint) -> Result<Peer> { return endpoint; },
                       .copy_dir = copies};
  options.train.set_consistency(consistency);
  options.train.set_max_staleness(4);
  return std::make_unique<Shard>(options, ShardStore::Make(SmallModel(), 5, 0, 1).value());
}

inline proto::ShardMap Map(std::uint32_t epoch, const std::string& primary, const std::string& follower) {
  proto::ShardMap map;
  map.set_epoch(epoch);
  map.add_endpoint(primary);
  map.add_follower(follower);
  return map;
}

// One who has its requests answered in order, a few of them under way: a worker, or the scheduler.
struct Client {
  std::deque<Message> unanswered;  // the first ones are under way
  std::uint32_t map_epoch = 1;
  std::string primary = kPrimary;
};

// The pair and those who talk to it. What it does is a function of the seed.
class Pair {
 public:
  Pair(proto::Train::Consistency consistency, std::uint32_t seed, const std::string& copies = "")
      : random_(seed), consistency_(consistency), copies_(copies) {
    for (const char* name : {kPrimary, kFollower}) {
      shards_[name] = MakeShard(name, consistency, 1, copies);
      EXPECT_TRUE(shards_[name]->TakeMap(Map(1, kPrimary, kFollower)).ok());
    }
  }

  Shard& shard(const std::string& name) { return *shards_.at(name); }
  // "s" is the scheduler, "w0" a worker.
  void Add(const Peer& who, Message message) { clients_[who].unanswered.push_back(std::move(message)); }
  // The shard is at `primary` from now on. It hears of it first; the requesters do when they happen to.
  void Change(const proto::ShardMap& map) {
    map_ = map;
    Give(map.endpoint(0), {.from = "map", .message = MakeControl(proto::SHARD_MAP, map)});
  }
  // One more shard, empty, that is to follow the primary of the map, which is told so.
  void Join(const std::string& name) {
    shards_[name] = MakeShard(name, consistency_, map_.epoch(), copies_);
    const proto::ShardMap map = Map(map_.epoch(), map_.endpoint(0), name);
    EXPECT_TRUE(shards_[name]->TakeMap(map).ok());
    AskToJoin(map);
  }
  // The same of one that is there, with whatever it has got before.
  void JoinAgain(const std::string& name) {
    const proto::ShardMap map = Map(map_.epoch(), map_.endpoint(0), name);
    Give(name, {.from = "map", .message = MakeControl(proto::SHARD_MAP, map)});
    AskToJoin(map);
  }
  // What the primary has answered to that: nothing yet, or a code.
  std::optional<proto::StatusCode> joined() const { return joined_; }
  void Kill(const std::string& name) { dead_.insert(name); }

  bool Done() const {
    return std::all_of(clients_.begin(), clients_.end(), [](const auto& r) { return r.second.unanswered.empty(); });
  }
  bool Quiet() const {
    return std::all_of(links_.begin(), links_.end(), [](const auto& link) { return link.second.empty(); });
  }
  bool Chance(double probability) { return std::uniform_real_distribution(0.0, 1.0)(random_) < probability; }

  // One thing happens.
  void Step() {
    switch (random_() % 4) {
      case 0:
        return AskSomething();
      case 1:
      case 2:
        return DeliverSomething();
      default:
        if (Chance(0.1)) RepeatSomething();
        if (Chance(0.1)) Write(Clock::now());
    }
  }
  // Until everybody has his answers.
  void Finish() {
    for (int steps = 0; !Done(); ++steps) {
      ASSERT_LT(steps, 200'000) << "somebody waits for ever";
      Step();
    }
  }
  // Until the primary has answered to Join. Its copy takes what time the disk takes, whatever the steps.
  void AwaitJoined() {
    const Deadline deadline = Clock::now() + std::chrono::seconds(60);
    while (!joined_.has_value()) {
      ASSERT_LT(Clock::now(), deadline) << "it never catches up";
      Step();
    }
  }
  // And the follower has all.
  void Settle() {
    for (int steps = 0; !Quiet() || shard(kPrimary).lags(); ++steps) {
      ASSERT_LT(steps, 200'000) << "the follower does not get on";
      DeliverSomething();
      RepeatSomething();
      Write(Clock::now() + std::chrono::milliseconds(1));
    }
  }

 private:
  void AskToJoin(const proto::ShardMap& map) {
    joined_.reset();
    Message message = MakeControl(proto::SHARD_MAP, map);
    message.header.set_request(map.epoch());
    Give(map.endpoint(0), {.from = "join", .message = std::move(message)});
  }

  void AskSomething() {
    auto asking = clients_.begin();
    std::advance(asking, random_() % clients_.size());
    auto& [who, client] = *asking;
    if (map_.has_epoch() && Chance(0.2)) {
      client.map_epoch = map_.epoch();
      client.primary = map_.endpoint(0);
    }
    if (client.unanswered.empty()) return;
    // Workers begin when the scheduler has begun the epoch.
    if (who != "s" && !started_) return;
    const std::size_t window = who == "s" ? 1 : 3;
    Message message = client.unanswered[random_() % std::min(window, client.unanswered.size())];
    message.header.set_map_epoch(client.map_epoch);
    links_[{who, client.primary}].push_back(std::move(message));
  }

  void DeliverSomething() {
    std::vector<std::pair<Peer, Peer>> full;
    for (const auto& [link, messages] : links_) {
      if (!messages.empty()) full.push_back(link);
    }
    if (full.empty()) return;
    const auto [from, to] = full[random_() % full.size()];
    auto& messages = links_[{from, to}];
    Message message = messages.front();
    if (!Chance(0.1)) messages.pop_front();  // or it comes again, before what is behind it
    if (Chance(0.1)) return;                 // lost
    shards_.contains(to) ? Give(to, {.from = from, .message = std::move(message)}) : Hear(to, from, message);
  }

  void RepeatSomething() {
    for (auto& [name, shard] : shards_) {
      if (!dead_.contains(name)) Send(name, shard->Repeat());
    }
  }

  void Give(const std::string& name, Envelope envelope) {
    if (dead_.contains(name)) return;
    Send(name, shards_.at(name)->Handle(std::move(envelope)));
  }

  void Write(Deadline until) {
    for (auto& [name, shard] : shards_) {
      if (!dead_.contains(name) && shard->writing()) Send(name, shard->Work(until));
    }
  }

  void Send(const std::string& from, std::vector<Envelope> envelopes) {
    for (Envelope& envelope : envelopes) {
      const bool newest = envelope.message.header.request() == map_.epoch();
      if (envelope.from == "join" && newest) joined_ = envelope.message.header.code();
      links_[{from, envelope.from}].push_back(std::move(envelope.message));
    }
  }

  void Hear(const Peer& who, const Peer& from, const Message& answer) {
    if (!clients_.contains(who)) return;
    Client& client = clients_.at(who);
    if (from != client.primary || answer.header.code() != proto::OK) return;
    std::erase_if(client.unanswered, [&](const Message& m) { return m.header.request() == answer.header.request(); });
    started_ |= answer.header.kind() == proto::START_EPOCH;
  }

  std::mt19937 random_;
  const proto::Train::Consistency consistency_;
  const std::string copies_;
  std::optional<proto::StatusCode> joined_;
  std::map<std::string, std::unique_ptr<Shard>> shards_;
  std::set<std::string> dead_;
  std::map<Peer, Client> clients_;
  std::map<std::pair<Peer, Peer>, std::deque<Message>> links_;
  proto::ShardMap map_;
  bool started_ = false;
};

// The requests of a job, given to the pair and, at once and in order, to a single shard that nothing happens to.
class Job {
 public:
  Job(Pair* pair, ShardCluster* twin, std::uint32_t workers) : pair_(pair), twin_(twin), workers_(workers) {
    proto::StartEpoch start;
    for (std::uint32_t worker = 0; worker < workers; ++worker) start.add_worker(worker);
    Control(proto::START_EPOCH, start);
  }
  void Control(proto::Kind kind, const google::protobuf::MessageLite& body) {
    Message message = MakeControl(kind, body);
    message.header.set_request(++controls_);
    message.header.set_shard(0);
    twin_->Send(0, message);
    pair_->Add("s", message);
  }
  void Give(std::uint32_t worker, Message message) {
    twin_->Send(0, message);
    pair_->Add("w" + std::to_string(worker), std::move(message));
  }
  void PushClocks(std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t clock = begin; clock < end; ++clock) {
      for (std::uint32_t worker = 0; worker < workers_; ++worker) {
        Message push = twin_->Push(0, worker, clock, GradientsOf(twin_->model(), worker, clock, 12));
        push.header.set_chunk(worker);
        push.header.set_minibatch(static_cast<std::uint32_t>(clock));
        Give(worker, std::move(push));
      }
    }
  }
  void Mark(std::uint32_t cut) {
    for (std::uint32_t worker = 0; worker < workers_; ++worker) Give(worker, twin_->Mark(0, worker, cut));
  }
  void OpenCut(std::uint32_t cut, const std::string& dir) {
    proto::OpenCut open;
    open.set_cut(cut);
    open.set_dir(dir);
    Control(proto::OPEN_CUT, open);
  }

 private:
  Pair* const pair_;
  ShardCluster* const twin_;
  const std::uint32_t workers_;
  std::uint64_t controls_ = 1'000'000;
};

inline std::uint32_t WorkersOf(proto::Train::Consistency consistency) {
  return consistency == proto::Train::BSP ? 3 : 1;  // so that there is one order alone
}

}  // namespace sherd
