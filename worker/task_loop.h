#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/status.h"
#include "net/mailbox.h"
#include "net/requester.h"
#include "proto/wire.pb.h"
#include "worker/data/dataset.h"
#include "worker/heartbeat.h"
#include "worker/pipeline.h"
#include "worker/worker.h"

namespace sherd {

// The conversation of a registered worker with the scheduler: asks for tasks ahead of need, gives them to the pipeline,
// reports progress about five times a second, passes on evaluation results and positions of cuts. Confined to one
// thread, that of the mailbox, which the pipeline and the heartbeat wake.
class TaskLoop {
 public:
  // All must outlive the loop.
  TaskLoop(const WorkerOptions* options, Mailbox* mailbox, const Peer& scheduler, const Dataset* dataset,
           Pipeline* pipeline, Heartbeat* heartbeat);

  // Until the scheduler says stop, or with the reason why the worker can not go on.
  Status Run();

 private:
  void Send(Message message, const std::string& what);
  void SendProgressIfDue();
  void SendMessages();
  void AskForTaskIfDue();
  Status Handle(Envelope envelope);
  Status HandleTask(const Message& message);
  Status HandleCommand(const Message& message);
  void Obey(const proto::Command& command);
  // Another scheduler has taken over: it is told where we are, and until it knows, nothing else.
  Status Follow(const proto::Leader& leader);
  bool epoch_is_over() const { return ending_ && pipeline_->stand().retired; }

  const WorkerOptions* const options_;
  Mailbox* const mailbox_;
  Peer scheduler_;
  std::string endpoint_;  // the scheduler's
  const Dataset* const dataset_;
  Pipeline* const pipeline_;
  Heartbeat* const heartbeat_;
  Requester requester_;

  bool stop_ = false;
  bool joining_ = false;                             // a scheduler that has taken over, which has not answered yet
  bool task_asked_ = false, progress_sent_ = false;  // and not answered
  Deadline next_progress_ = Clock::now();
  Deadline next_task_ = Clock::now();
  // After END_EPOCH, until the next epoch's first task: retire, report the rest, and only then ask for more.
  bool ending_ = false;
  std::uint32_t ended_round_ = 0;     // of the epoch, the last one that was ended
  bool last_progress_sent_ = false;   // of the epoch, after the worker had retired
  bool last_progress_taken_ = false;  // answered
};

}  // namespace sherd
