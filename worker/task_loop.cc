#include "worker/task_loop.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sherd {
namespace {

constexpr std::chrono::milliseconds kProgressInterval(200);
constexpr std::chrono::milliseconds kAskAgain(20);  // after WAIT

RequesterOptions RequestTimes(const WorkerOptions& options) {
  const auto milliseconds = [](double s) { return std::chrono::milliseconds(static_cast<std::int64_t>(s * 1000)); };
  const auto retry = std::min(std::chrono::milliseconds(5000), milliseconds(options.request_timeout_seconds / 12));
  return {.retry_after = retry, .give_up_after = milliseconds(options.scheduler_wait_seconds)};
}

}  // namespace

TaskLoop::TaskLoop(const WorkerOptions* options, Mailbox* mailbox, const Peer& scheduler, const Dataset* dataset,
                   Pipeline* pipeline, Heartbeat* heartbeat)
    : options_(options),
      mailbox_(mailbox),
      scheduler_(scheduler),
      endpoint_(options->scheduler_endpoint),
      dataset_(dataset),
      pipeline_(pipeline),
      heartbeat_(heartbeat),
      requester_(mailbox, RequestTimes(*options)) {}

Status TaskLoop::Run() {
  while (true) {
    RETURN_IF_ERROR(pipeline_->status());
    RETURN_IF_ERROR(heartbeat_->status());
    if (const auto leader = heartbeat_->TakeLeader()) RETURN_IF_ERROR(Follow(*leader));
    if (std::optional<proto::Command> command = heartbeat_->TakeCommand()) Obey(*command);
    if (stop_) return {};
    if (!joining_) {
      SendMessages();
      SendProgressIfDue();
      AskForTaskIfDue();
    }
    Deadline deadline = joining_ ? requester_.next_tick() : std::min(requester_.next_tick(), next_progress_);
    if (!task_asked_ && next_task_ > Clock::now()) deadline = std::min(deadline, next_task_);
    if (std::optional<Envelope> envelope = mailbox_->Receive(deadline)) {
      RETURN_IF_ERROR(Handle(std::move(*envelope)));
    }
    RETURN_IF_ERROR(requester_.Tick());
  }
}

void TaskLoop::Send(Message message, const std::string& what) {
  FillHeader(*options_, &message.header);
  requester_.Send(scheduler_, std::move(message), what + " to the scheduler at " + endpoint_);
}

void TaskLoop::SendMessages() {
  for (Message& message : pipeline_->TakeMessages()) {
    std::string what = KindName(message.header.kind());
    Send(std::move(message), what);
  }
}

void TaskLoop::SendProgressIfDue() {
  const bool last = epoch_is_over() && !last_progress_sent_;
  const Deadline now = Clock::now();
  if (!last && now < next_progress_) return;
  next_progress_ = now + kProgressInterval;
  heartbeat_->SetDoing(pipeline_->Doing());
  if (progress_sent_) return;  // one at a time, so that a repeated one is known by its number
  proto::Progress progress = pipeline_->TakeProgress();
  if (progress.bad_rows() > 0) {
    for (proto::BadRow& kind : dataset_->counts().kinds) *progress.add_bad_row() = std::move(kind);
  }
  progress_sent_ = true;
  last_progress_sent_ |= last;
  Message message = MakeControl(proto::PROGRESS, progress);
  message.header.set_epoch(pipeline_->stand().epoch);
  message.header.set_map_epoch(heartbeat_->map_epoch());
  Send(std::move(message), "progress");
}

void TaskLoop::AskForTaskIfDue() {
  if (task_asked_ || Clock::now() < next_task_) return;
  if (!pipeline_->WantsTask() || (ending_ && !last_progress_taken_)) return;
  const TrainingReport::Stand stand = pipeline_->stand();
  proto::NextTask ask;
  ask.set_clock(stand.next_clock);
  ask.set_retired(stand.retired);
  if (options_->leave != nullptr && *options_->leave) ask.set_leaving(true);
  task_asked_ = true;
  Send(MakeControl(proto::NEXT_TASK, ask), "next task");
}

Status TaskLoop::Handle(Envelope envelope) {
  std::optional<Requester::Reply> reply = requester_.Match(std::move(envelope));
  if (!reply) return {};
  const Message& message = reply->message;
  const std::string answer = "answer to " + KindName(message.header.kind()) + " from the scheduler";
  RETURN_IF_ERROR(StatusOf(message.header).Annotate(answer));
  switch (message.header.kind()) {
    case proto::REGISTER:
      joining_ = false;
      return {};
    case proto::NEXT_TASK:
      return HandleTask(message).Annotate(answer);
    case proto::PROGRESS:
      return HandleCommand(message).Annotate(answer);
    default:
      return {};
  }
}

Status TaskLoop::HandleTask(const Message& message) {
  proto::Task task;
  RETURN_IF_ERROR(ParseBody(message, &task));
  task_asked_ = false;
  switch (task.kind()) {
    case proto::Task::WAIT:
      next_task_ = Clock::now() + kAskAgain;
      return {};
    case proto::Task::STOP:
      stop_ = true;
      return {};
    case proto::Task::END_EPOCH:
      if (ending_ && pipeline_->stand().epoch == task.epoch() &&
          ended_round_ == task.round()) {  // it was ended already
        next_task_ = Clock::now() + kAskAgain;
        return {};
      }
      ending_ = true;
      ended_round_ = task.round();
      last_progress_sent_ = last_progress_taken_ = false;
      pipeline_->Add(task);
      return {};
    case proto::Task::TRAIN:
      ending_ = false;
      pipeline_->Add(task);
      return {};
    case proto::Task::EVALUATE:
      pipeline_->Add(task);
      return {};
  }
  return Status::BadData("an unknown kind of task");
}

Status TaskLoop::HandleCommand(const Message& message) {
  progress_sent_ = false;
  if (last_progress_sent_) last_progress_taken_ = true;
  proto::Command command;
  RETURN_IF_ERROR(ParseBody(message, &command));
  Obey(command);
  return {};
}

// What the one before has not answered it never will, and what it has dealt and did not arrive was not dealt. The
// positions are the progress so far, whoever was told of which part.
Status TaskLoop::Follow(const proto::Leader& leader) {
  ASSIGN_OR_RETURN(Peer next, mailbox_->Connect(leader.endpoint()));
  requester_.Forget(scheduler_);
  scheduler_ = std::move(next);
  endpoint_ = leader.endpoint();
  (void)pipeline_->TakeMessages();  // of its evaluation and its cuts
  joining_ = true;
  task_asked_ = progress_sent_ = false;
  proto::Register body = DescribeWorker();
  *body.mutable_stand() = pipeline_->TellStand();
  body.mutable_stand()->set_ended(ending_);
  if (ending_ && body.stand().retired()) last_progress_sent_ = last_progress_taken_ = true;
  Send(MakeControl(proto::REGISTER, body), "registration");
  return {};
}

void TaskLoop::Obey(const proto::Command& command) {
  stop_ |= command.stop();
  if (command.has_map()) heartbeat_->SetMapEpoch(command.map().epoch());
  pipeline_->AskForCut(command);
}

}  // namespace sherd
