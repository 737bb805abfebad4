#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/journal.pb.h"
#include "proto/wire.pb.h"
#include "worker/worker.h"

namespace sherd {

// A message of a worker to the scheduler: header fields that do not depend on the kind.
void FillHeader(const WorkerOptions& options, proto::Header* header);
// Where it runs.
proto::Register DescribeWorker();

// Tells the scheduler, from a thread and a mailbox of its own, that the worker lives and what it is at; brings back
// what the scheduler wants; finds another one that has taken over when there is no answer. Thread-safe.
class Heartbeat {
 public:
  // `options` and `network` must outlive it. `notify` is called on its thread when there is a command or an error to
  // take.
  Heartbeat(Network* network, const WorkerOptions* options, std::function<void()> notify);
  ~Heartbeat();

  // What the worker is at: "opening the data".
  void SetDoing(std::string doing);
  // The map of the shards that the worker goes by, so that it is told of a newer one.
  void SetMapEpoch(std::uint32_t epoch) { map_epoch_ = epoch; }
  std::uint32_t map_epoch() const { return map_epoch_; }
  std::optional<proto::Command> TakeCommand();
  // A scheduler that has taken over, once.
  std::optional<proto::Leader> TakeLeader();
  // Unavailable once the scheduler has not answered for the request timeout.
  Status status() const;

 private:
  Status Run();
  Message MakeMessage() const;

  const WorkerOptions* const options_;
  const std::unique_ptr<Mailbox> mailbox_;
  const std::function<void()> notify_;
  mutable std::mutex mutex_;
  std::string doing_ = "starting";
  std::optional<proto::Command> command_;
  std::optional<proto::Leader> leader_;
  Status status_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint32_t> map_epoch_ = 0;
  std::thread thread_;
};

}  // namespace sherd
