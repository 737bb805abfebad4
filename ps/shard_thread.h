#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "net/mailbox.h"
#include "ps/shard.h"

namespace sherd {

// A mailbox, the shard that maps have there, and the thread that both are confined to. While they have none it waits
// for a map that does. The mailbox is bound by the caller and handed over. Thread-compatible, but for done(), idle(),
// SetTerm() and troubles().
class ShardThread {
 public:
  // The shard that the map has at this mailbox; nullptr: none. Called in the thread, and must outlive it.
  using MakeShard = std::function<Result<std::unique_ptr<Shard>>(const proto::ShardMap& map)>;
  // `shard` may be nullptr. `shards`: that there are in this process, which together write checkpoints no faster than
  // one does.
  ShardThread(std::unique_ptr<Mailbox> mailbox, std::unique_ptr<Shard> shard, std::string name, std::uint32_t shards,
              MakeShard make = {})
      : mailbox_(std::move(mailbox)),
        name_(std::move(name)),
        shards_(shards),
        make_(std::move(make)),
        shard_(std::move(shard)),
        idle_(shard_ == nullptr) {}
  ~ShardThread() { Stop(); }

  // Calls `server->Wake()` when a STOP has ended it, or there is something new in `troubles`.
  void Start(Mailbox* server);
  void Stop();
  bool done() const { return done_; }
  bool idle() const { return idle_; }  // there is no shard
  // The server listens to the scheduler of this term: requests of earlier ones are refused from now on.
  void SetTerm(std::uint32_t term) { term_ = term; }
  // Of the map by which the shard was made, or none: by older ones none is made here. Before Start.
  void SetMapEpoch(std::uint32_t epoch) { newest_map_ = epoch; }
  // How long a follower may leave its primary without an answer. Before Start.
  void SetFollowerPatience(Clock::duration patience) { follower_patience_ = patience; }

  struct Troubles {
    std::string full, paused;      // with the shard's name; empty: there is none
    std::uint32_t unfollowed = 0;  // a shard whose follower does not answer it …
    std::string follower = {};     // … at this endpoint; empty: there is none
    bool operator==(const Troubles&) const = default;
  };
  Troubles troubles() const {
    std::lock_guard lock(mutex_);
    return troubles_;
  }

 private:
  void Run(Mailbox* server);
  void Handle(Envelope request);
  void HandleIdle(const Envelope& request);
  void WriteCut();
  void NoteTroubles(Mailbox* server);
  std::string SilentFollower();
  void Send(const Envelope& reply);

  const std::unique_ptr<Mailbox> mailbox_;
  const std::string name_;
  const std::uint32_t shards_;
  const MakeShard make_;
  std::unique_ptr<Shard> shard_;
  std::atomic<bool> idle_;
  std::atomic<std::uint32_t> term_ = 0;
  std::atomic<bool> stop_ = false, done_ = false;
  // Of the shard's thread.
  std::uint32_t newest_map_ = 0;  // that was heard of here
  bool untroubled_ = true;
  Deadline last_request_, next_slice_, next_repeat_;
  Clock::duration follower_patience_ = std::chrono::hours(1);
  bool awaits_follower_ = false;
  Deadline heard_follower_;  // or there was nothing to be heard of it
  mutable std::mutex mutex_;
  Troubles troubles_;
  std::thread thread_;
};

}  // namespace sherd
