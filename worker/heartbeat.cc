#include "worker/heartbeat.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "net/requester.h"
#include "net/scheduler_watch.h"
#include "net/seal.h"

namespace sherd {
namespace {

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

}  // namespace

void FillHeader(const WorkerOptions& options, proto::Header* header) {
  header->set_version(kWireVersion);
  header->set_job(options.job_id);
  header->set_role(proto::WORKER);
  header->set_index(options.index);
  header->set_incarnation(options.incarnation);
}

proto::Register DescribeWorker() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  proto::Register body;
  body.set_host(host);
  body.set_pid(static_cast<std::uint32_t>(getpid()));
  return body;
}

Heartbeat::Heartbeat(Network* network, const WorkerOptions* options, std::function<void()> notify)
    : options_(options), mailbox_(network->Open()), notify_(std::move(notify)), thread_([this] {
        Status status = Run();
        if (status.ok()) return;
        {
          std::lock_guard lock(mutex_);
          status_ = std::move(status);
        }
        notify_();
      }) {}

Heartbeat::~Heartbeat() {
  stopping_ = true;
  mailbox_->Wake();
  thread_.join();
}

void Heartbeat::SetDoing(std::string doing) {
  std::lock_guard lock(mutex_);
  doing_ = std::move(doing);
}

std::optional<proto::Command> Heartbeat::TakeCommand() {
  std::lock_guard lock(mutex_);
  return std::exchange(command_, std::nullopt);
}

std::optional<proto::Leader> Heartbeat::TakeLeader() {
  std::lock_guard lock(mutex_);
  return std::exchange(leader_, std::nullopt);
}

Status Heartbeat::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

Message Heartbeat::MakeMessage() const {
  proto::Heartbeat body;
  {
    std::lock_guard lock(mutex_);
    body.set_doing(doing_);
  }
  Message message = MakeControl(proto::HEARTBEAT, body);
  FillHeader(*options_, &message.header);
  message.header.set_map_epoch(map_epoch_);
  return message;
}

Status Heartbeat::Run() {
  const std::chrono::milliseconds interval = Milliseconds(options_->heartbeat_seconds);
  SchedulerWatch watch({.dir = options_->leaders_dir,
                        .job = options_->job_id,
                        .endpoint = options_->scheduler_endpoint,
                        .term = options_->scheduler_term,
                        .look_every = interval});
  ASSIGN_OR_RETURN(Peer scheduler, mailbox_->Connect(watch.endpoint()));
  Requester requester(mailbox_.get(),
                      {.retry_after = interval, .give_up_after = Milliseconds(options_->scheduler_wait_seconds)});
  Deadline next_beat = Clock::now();
  bool followed = false;  // another scheduler than the first
  while (!stopping_) {
    if (requester.waiting() == 0 && Clock::now() >= next_beat) {
      next_beat = Clock::now() + interval;
      requester.Send(scheduler, MakeMessage(), "heartbeat to the scheduler at " + watch.endpoint());
    }
    const Deadline deadline = requester.waiting() == 0 ? next_beat : requester.next_tick();
    if (std::optional<Envelope> envelope = mailbox_->Receive(deadline)) {
      if (std::optional<Requester::Reply> reply = requester.Match(std::move(*envelope))) {
        watch.Heard(Clock::now());
        // One that has taken over may not know us yet.
        if (reply->message.header.code() == proto::INVALID && followed) continue;
        RETURN_IF_ERROR(StatusOf(reply->message.header).Annotate("heartbeat"));
        proto::Command command;
        RETURN_IF_ERROR(ParseBody(reply->message, &command).Annotate("answer to a heartbeat"));
        {
          std::lock_guard lock(mutex_);
          command_ = std::move(command);
        }
        notify_();
      }
    }
    if (std::optional<proto::Leader> leader = watch.Newer(Clock::now())) {
      ASSIGN_OR_RETURN(Peer next, mailbox_->Connect(leader->endpoint()));
      requester.Redirect(scheduler, next, [](proto::Header*) {});
      scheduler = std::move(next);
      followed = true;
      {
        std::lock_guard lock(mutex_);
        leader_ = std::move(leader);
        command_.reset();  // of the one before
      }
      notify_();
    }
    RETURN_IF_ERROR(requester.Tick());
  }
  return {};
}

}  // namespace sherd
