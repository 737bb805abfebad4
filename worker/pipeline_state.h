#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "base/status.h"
#include "net/message.h"
#include "proto/wire.pb.h"
#include "worker/training_report.h"
#include "worker/work.h"

namespace sherd {

// What the stages of a pipeline and its owner share: the queues between them, the report, what the owner is to send to
// the scheduler, and the first error. Thread-safe.
class PipelineState {
 public:
  static constexpr std::size_t kWaitingTasks = 256;  // the owner gives far fewer
  static constexpr std::size_t kAhead = 2;           // minibatches that are read, or whose keys are unique, and wait
  static constexpr std::size_t kMaxInFlight = 128;   // what the communicator keeps below, so its pushes never block

  // `notify` is called, on any stage's thread, when there is something for the owner.
  explicit PipelineState(std::function<void()> notify)
      : tasks(kWaitingTasks),
        read(kAhead),
        made(kAhead),
        pulled(kMaxInFlight),
        computed(kMaxInFlight),
        notify_(std::move(notify)) {}

  BoundedQueue<std::shared_ptr<const proto::Task>> tasks;  // owner -> reader
  BoundedQueue<WorkPtr> read;                              // reader -> keys
  BoundedQueue<WorkPtr> made;                              // keys -> communicator
  BoundedQueue<WorkPtr> pulled;                            // communicator -> compute
  BoundedQueue<WorkPtr> computed;                          // compute -> communicator
  TrainingReport report;

  void Notify() const { notify_(); }

  // Ends all stages; the first error is kept.
  void Stop(Status error) {
    {
      std::lock_guard lock(mutex_);
      if (status_.ok()) status_ = std::move(error);
    }
    tasks.Close();
    read.Close();
    made.Close();
    pulled.Close();
    computed.Close();
    notify_();
  }
  Status status() const {
    std::lock_guard lock(mutex_);
    return status_;
  }

  // Messages for the scheduler.
  void Post(Message message) {
    {
      std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
    notify_();
  }
  std::vector<Message> TakeMessages() {
    std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

  // The job's time, in seconds, as the scheduler has said it last. It never goes back.
  void HearJobSeconds(std::uint32_t seconds) {
    std::lock_guard lock(mutex_);
    job_seconds_ = std::max(job_seconds_, seconds);
  }
  std::uint32_t job_seconds() const {
    std::lock_guard lock(mutex_);
    return job_seconds_;
  }

  // The newest map of the shards that the scheduler has told of, until it is taken.
  void HearMap(const proto::ShardMap& map) {
    std::lock_guard lock(mutex_);
    if (map.epoch() <= map_epoch_) return;
    map_epoch_ = map.epoch();
    map_ = map;
  }
  std::optional<proto::ShardMap> TakeMap() {
    std::lock_guard lock(mutex_);
    return std::exchange(map_, std::nullopt);
  }

  // What the scheduler says of cuts, each time it does: it asks for one until it has the answer.
  void AskForCut(const proto::Command& command) {
    std::lock_guard lock(mutex_);
    cut_.reset();
    if (command.cut() != 0) cut_ = command;
  }
  std::optional<proto::Command> cut() const {
    std::lock_guard lock(mutex_);
    return cut_;
  }

 private:
  const std::function<void()> notify_;
  mutable std::mutex mutex_;
  Status status_;
  std::vector<Message> messages_;
  std::optional<proto::Command> cut_;
  std::uint32_t job_seconds_ = 0;
  std::optional<proto::ShardMap> map_;
  std::uint32_t map_epoch_ = 0;
};

}  // namespace sherd
