#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "net/mailbox.h"
#include "ps/shard.h"

namespace sherd {

// One shard, its mailbox and the thread that both are confined to. The mailbox is bound by the caller and handed over.
// Thread-compatible, but for done() and troubles().
class ShardThread {
 public:
  // `shards`: that there are in this process, which together write checkpoints no faster than one does.
  ShardThread(std::unique_ptr<Mailbox> mailbox, std::unique_ptr<Shard> shard, std::string name, std::uint32_t shards)
      : mailbox_(std::move(mailbox)), shard_(std::move(shard)), name_(std::move(name)), shards_(shards) {}
  ~ShardThread() { Stop(); }

  // Calls `server->Wake()` when a STOP has ended it, or there is something new in `troubles`.
  void Start(Mailbox* server);
  void Stop();
  bool done() const { return done_; }

  struct Troubles {
    std::string full, paused;  // with the shard's name; empty: there is none
    bool operator==(const Troubles&) const = default;
  };
  Troubles troubles() const {
    std::lock_guard lock(mutex_);
    return troubles_;
  }

 private:
  void Run(Mailbox* server);
  void WriteCut();
  void NoteTroubles(Mailbox* server);
  void Send(Envelope reply);

  const std::unique_ptr<Mailbox> mailbox_;
  const std::unique_ptr<Shard> shard_;
  const std::string name_;
  const std::uint32_t shards_;
  std::atomic<bool> stop_ = false, done_ = false;
  // Of the shard's thread.
  bool untroubled_ = true;
  Deadline last_request_, next_slice_, next_repeat_;
  mutable std::mutex mutex_;
  Troubles troubles_;
  std::thread thread_;
};

}  // namespace sherd
