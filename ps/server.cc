#include "ps/server.h"

#include <glog/logging.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include "base/file.h"
#include "net/requester.h"
#include "net/scheduler_watch.h"
#include "ps/shard.h"
#include "ps/shard_thread.h"

namespace sherd {
namespace {

constexpr std::chrono::milliseconds kTellFailure(5000);  // how long a failing server waits to be heard
// Heartbeats that a follower may leave its primary without an answer. Were its host lost, that would be known long
// before: the two are cut off from each other.
constexpr double kFollowerPatience = 12;

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

class Server {
 public:
  Server(Network* network, const ServerOptions& options)
      : network_(network),
        options_(options),
        mailbox_(network->Open()),
        registration_(mailbox_.get(),
                      {.retry_after = std::chrono::seconds(5), .give_up_after = std::chrono::hours(24)}),
        heartbeat_(mailbox_.get(), {.retry_after = Milliseconds(options.heartbeat_seconds),
                                    .give_up_after = Milliseconds(options.scheduler_wait_seconds)}),
        watch_({.dir = options.leaders_dir,
                .job = options.job,
                .endpoint = options.scheduler_endpoint,
                .term = options.scheduler_term,
                .look_every = Milliseconds(options.heartbeat_seconds)}) {}

  Status Run() {
    RETURN_IF_ERROR(BindShards());
    ASSIGN_OR_RETURN(scheduler_, mailbox_->Connect(watch_.endpoint()));
    next_heartbeat_ = Clock::now();
    DescribeThis();
    SendRegister();
    const Status status = Serve();
    RemoveSpillDirs();
    return status;
  }

 private:
  Status Serve() {
    while (!stop_ && !AllDone()) RETURN_IF_ERROR(Step());
    return {};
  }

  Status BindShards() {
    CHECK_EQ(options_.bind_endpoints.size() % options_.shards_per_server, 0u);
    for (const std::string& endpoint : options_.bind_endpoints) {
      mailboxes_.push_back(network_->Open());
      RETURN_IF_ERROR(mailboxes_.back()->Bind(endpoint).Annotate("server " + std::to_string(options_.index)));
    }
    return {};
  }

  std::string Scheduler() const { return "the scheduler at " + watch_.endpoint(); }

  void Sign(proto::Header* header) const {
    header->set_role(options_.role);
    header->set_index(options_.index);
    header->set_incarnation(options_.incarnation);
  }

  void DescribeThis() {
    proto::Register& body = description_;
    char host[256] = {};
    gethostname(host, sizeof(host) - 1);
    body.set_host(host);
    body.set_pid(static_cast<std::uint32_t>(getpid()));
    for (const auto& mailbox : mailboxes_) {
      const bool own = options_.role == proto::SERVER &&
                       static_cast<std::uint32_t>(body.shard_endpoint_size()) < options_.shards_per_server;
      own ? body.add_shard_endpoint(mailbox->endpoint()) : body.add_follower_endpoint(mailbox->endpoint());
    }
  }

  // The answer comes when all ranks have registered; that the scheduler is there meanwhile is what heartbeats tell.
  void SendRegister() {
    Message message = MakeControl(proto::REGISTER, description_);
    Sign(&message.header);
    registration_.Send(scheduler_, std::move(message), "registration with " + Scheduler());
  }

  // From now on shards listen to it alone, and only then it hears of us.
  Status FollowLeader(const proto::Leader& leader) {
    LOG(INFO) << "the scheduler is at " << leader.endpoint() << " now";
    for (const auto& shard : shards_) shard->SetTerm(leader.term());
    term_ = leader.term();
    ASSIGN_OR_RETURN(Peer scheduler, mailbox_->Connect(leader.endpoint()));
    heartbeat_.Redirect(scheduler_, scheduler, [](proto::Header*) {});
    registration_.Forget(scheduler_);
    scheduler_ = std::move(scheduler);
    SendRegister();
    return {};
  }

  void SendHeartbeat() {
    proto::Heartbeat body;
    body.set_doing(shards_.empty() ? "waiting for all ranks" : "serving");
    told_ = Troubles();
    if (!told_.full.empty()) body.set_full(told_.full);
    if (!told_.paused.empty()) body.set_paused(told_.paused);
    if (!told_.follower.empty()) {
      body.mutable_lost_follower()->set_shard(told_.unfollowed);
      body.mutable_lost_follower()->set_endpoint(told_.follower);
    }
    Message message = MakeControl(proto::HEARTBEAT, body);
    Sign(&message.header);
    heartbeat_.Send(scheduler_, std::move(message), "heartbeat to " + Scheduler());
    next_heartbeat_ = Clock::now() + Milliseconds(options_.heartbeat_seconds);
  }

  // Of all shards; the first that has one speaks for them.
  ShardThread::Troubles Troubles() const {
    ShardThread::Troubles first;
    for (const auto& shard : shards_) {
      const ShardThread::Troubles troubles = shard->troubles();
      if (first.full.empty()) first.full = troubles.full;
      if (first.paused.empty()) first.paused = troubles.paused;
      if (first.follower.empty()) {
        first.unfollowed = troubles.unfollowed;
        first.follower = troubles.follower;
      }
    }
    return first;
  }

  Status Step() {
    // What is new is not kept until the next heartbeat is due.
    const bool due = Clock::now() >= next_heartbeat_ || Troubles() != told_;
    if (due && heartbeat_.waiting() == 0) SendHeartbeat();
    if (const auto leader = watch_.Newer(Clock::now())) RETURN_IF_ERROR(FollowLeader(*leader));
    RETURN_IF_ERROR(registration_.Tick());
    RETURN_IF_ERROR(heartbeat_.Tick());
    const Deadline beat = heartbeat_.waiting() == 0 ? next_heartbeat_ : heartbeat_.next_tick();
    std::optional<Envelope> envelope = mailbox_->Receive(std::min(beat, registration_.next_tick()));
    if (!envelope.has_value()) return {};
    return envelope->message.header.kind() == proto::REGISTER ? OnRegister(std::move(*envelope))
                                                              : OnHeartbeat(std::move(*envelope));
  }

  Status OnRegister(Envelope envelope) {
    std::optional<Requester::Reply> reply = registration_.Match(std::move(envelope));
    if (!reply.has_value()) return {};
    RETURN_IF_ERROR(StatusOf(reply->message.header).Annotate("registration with " + Scheduler()));
    proto::Welcome welcome;
    RETURN_IF_ERROR(ParseBody(reply->message, &welcome).Annotate("welcome of " + Scheduler()));
    if (!shards_.empty()) return {};  // by another scheduler before this one; of maps the shards hear
    const Status started = StartShards(welcome.map());
    if (!started.ok()) TellFailure(started);
    return started;
  }

  // So that the job's message says why, not just that a server was lost.
  void TellFailure(const Status& failure) {
    const std::unique_ptr<Mailbox> mailbox = network_->Open();
    const Result<Peer> scheduler = mailbox->Connect(watch_.endpoint());
    if (!scheduler.ok()) return;
    proto::Failure body;
    body.set_text(failure.text());
    body.set_exit_code(1);
    Message message = MakeControl(proto::FAILURE, body);
    Sign(&message.header);
    Requester requester(mailbox.get(), {.retry_after = kTellFailure / 5, .give_up_after = kTellFailure});
    const Result<Message> told = requester.Call(*scheduler, std::move(message), "report of a failure");
    LOG_IF(WARNING, !told.ok()) << "the scheduler could not be told: " << told.status().text();
  }

  Status StartShards(const proto::ShardMap& map) {
    const std::uint32_t shards = static_cast<std::uint32_t>(map.endpoint_size());
    if (shards != options_.servers * options_.shards_per_server || shards > kSlots) {
      return Status::Invalid("welcome of " + Scheduler() + ": a map of " + std::to_string(shards) + " shards, not " +
                             std::to_string(options_.servers * options_.shards_per_server));
    }
    // At once, not hours later when the first checkpoint has to go there.
    if (!options_.server_dir.empty()) {
      RETURN_IF_ERROR(MakeDirectory(options_.server_dir)
                          .Annotate("checkpoint.server_dir must be a folder that can be "
                                    "written to"));
    }
    for (auto& mailbox : mailboxes_) {
      ASSIGN_OR_RETURN(std::unique_ptr<Shard> shard, MakeShardAt(mailbox.get(), map));
      const std::string name =
          shard == nullptr ? "room for a shard" : "shard " + std::to_string(shard->store().shard());
      const auto make = [this, at = mailbox.get()](const proto::ShardMap& map) { return MakeShardAt(at, map); };
      shards_.push_back(std::make_unique<ShardThread>(std::move(mailbox), std::move(shard), name, ShardsHere(), make));
    }
    mailboxes_.clear();
    for (const auto& shard : shards_) {
      shard->SetTerm(term_);
      shard->SetMapEpoch(map.epoch());
      shard->SetFollowerPatience(Milliseconds(kFollowerPatience * options_.heartbeat_seconds));
      shard->Start(mailbox_.get());
    }
    return {};
  }

  // That this server is meant to hold; there may be more while others are lost.
  std::uint32_t ShardsHere() const { return options_.shards_per_server * options_.replicas; }

  // The shard that the map has at this mailbox, as its primary or its follower; nullptr: none.
  Result<std::unique_ptr<Shard>> MakeShardAt(Mailbox* mailbox, const proto::ShardMap& map) {
    const std::string& endpoint = mailbox->endpoint();
    const auto place = [&](const auto& endpoints) {
      return static_cast<std::uint32_t>(std::find(endpoints.begin(), endpoints.end(), endpoint) - endpoints.begin());
    };
    const std::uint32_t shards = static_cast<std::uint32_t>(map.endpoint_size());
    const std::uint32_t primary = place(map.endpoint()), follower = place(map.follower());
    const std::uint32_t number = primary < shards ? primary : follower;
    if (number >= shards || (primary >= shards && map.follower().empty())) return std::unique_ptr<Shard>();
    const ShardOptions options{.shard = number,
                               .map_epoch = map.epoch(),
                               .train = options_.train,
                               .memory_budget = options_.memory_budget / ShardsHere(),
                               .spill_dir = SpillDirOf(number),
                               .compress_checkpoints = options_.compress_checkpoints,
                               .server_dir = options_.server_dir,
                               .wake = [mailbox] { mailbox->Wake(); },
                               .endpoint = endpoint,
                               .connect = [mailbox](const std::string& follower) { return mailbox->Connect(follower); },
                               .copy_dir = options_.copy_dir};
    RETURN_IF_ERROR(MakeSpillDir(options.spill_dir));
    const StoreOptions memory{.memory_budget = options.memory_budget, .spill_dir = options.spill_dir};
    ASSIGN_OR_RETURN(auto store, ShardStore::Make(options_.model, options_.train.seed(), number, shards, memory));
    auto shard = std::make_unique<Shard>(options, std::move(store));
    RETURN_IF_ERROR(shard->TakeMap(map));
    return shard;
  }

  // No other run has a folder of this name.
  std::string SpillDirOf(std::uint32_t shard) const {
    if (options_.spill_dir.empty()) return "";
    char name[64];
    std::snprintf(name, sizeof name, "job-%016llx-shard-%u-server-%u", static_cast<unsigned long long>(options_.job),
                  shard, options_.index);
    return JoinPath(options_.spill_dir, name);
  }

  // At once, not hours later when the first row has to go there.
  Status MakeSpillDir(const std::string& dir) {
    const auto spills = [](const auto& table) { return table.storage().at_budget() == proto::RowStorage::SPILL; };
    const auto& tables = options_.model.table();
    if (dir.empty() || std::none_of(tables.begin(), tables.end(), spills)) return {};
    RETURN_IF_ERROR(MakeDirectory(dir).Annotate("cluster.spill_dir must be a folder that can be written to"));
    std::lock_guard lock(spill_mutex_);
    spill_dirs_.push_back(dir);
    return {};
  }

  // They hold nothing that has a name.
  void RemoveSpillDirs() {
    for (const std::string& dir : spill_dirs_) {
      const Status removed = RemoveTree(dir);
      LOG_IF(WARNING, !removed.ok()) << removed.text();
    }
  }

  Status OnHeartbeat(Envelope envelope) {
    const std::optional<Requester::Reply> reply = heartbeat_.Match(std::move(envelope));
    if (!reply.has_value()) return {};
    watch_.Heard(Clock::now());
    const proto::Header& header = reply->message.header;
    // While ranks register the scheduler may not know us yet; that it answers is enough.
    if (header.code() == proto::STALE) return StatusOf(header).Annotate("heartbeat to " + Scheduler());
    proto::Command command;
    if (header.code() != proto::OK || !ParseBody(reply->message, &command).ok()) return {};
    stop_ = command.stop();
    return {};
  }

  bool AllDone() const {
    const auto ended = [](const auto& shard) { return shard->done() || shard->idle(); };
    const auto done = [](const auto& shard) { return shard->done(); };
    return std::ranges::all_of(shards_, ended) && std::ranges::any_of(shards_, done);
  }

  Network* const network_;
  const ServerOptions options_;
  const std::unique_ptr<Mailbox> mailbox_;
  Requester registration_, heartbeat_;
  SchedulerWatch watch_;
  std::uint32_t term_ = 0;  // of the scheduler that we listen to, once we have followed another one
  proto::Register description_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;  // bound, until the shards take them
  std::vector<std::unique_ptr<ShardThread>> shards_;
  std::mutex spill_mutex_;
  std::vector<std::string> spill_dirs_;  // of shards, that we made
  Peer scheduler_;
  Deadline next_heartbeat_;
  ShardThread::Troubles told_;  // by the last heartbeat
  bool stop_ = false;
};

}  // namespace

Status RunServer(Network* network, const ServerOptions& options) { return Server(network, options).Run(); }

}  // namespace sherd
