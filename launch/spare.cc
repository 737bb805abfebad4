#include "launch/spare.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/host_name.h"
#include "net/requester.h"
#include "net/scheduler_watch.h"

namespace sherd {
namespace {

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
}

class Spare {
 public:
  Spare(Network* network, const JobPlan& plan, std::uint32_t index)
      : plan_(plan),
        index_(index),
        interval_(Milliseconds(plan.job.cluster().heartbeat_timeout() / 3)),
        mailbox_(network->Open()),
        requester_(mailbox_.get(),
                   {.retry_after = interval_, .give_up_after = Milliseconds(SchedulerWaitSeconds(plan.job))}),
        watch_({.dir = plan.leaders_dir,
                .job = plan.job_id,
                .endpoint = plan.scheduler_endpoint,
                .term = plan.scheduler_term,
                .look_every = interval_}) {}

  Status Run() {
    ASSIGN_OR_RETURN(scheduler_, mailbox_->Connect(watch_.endpoint()));
    while (!stop_) {
      if (requester_.waiting() == 0 && Clock::now() >= next_) Send();
      const Deadline deadline = requester_.waiting() == 0 ? next_ : requester_.next_tick();
      if (auto envelope = mailbox_->Receive(deadline)) RETURN_IF_ERROR(Take(std::move(*envelope)));
      if (const auto leader = watch_.Newer(Clock::now())) RETURN_IF_ERROR(Follow(*leader));
      RETURN_IF_ERROR(requester_.Tick());
    }
    return {};
  }

 private:
  void Send() {
    next_ = Clock::now() + interval_;
    proto::Register hello;
    hello.set_host(HostName());
    hello.set_pid(static_cast<std::uint32_t>(getpid()));
    proto::Heartbeat idle;
    idle.set_doing("waiting to take a place");
    Message message = registered_ ? MakeControl(proto::HEARTBEAT, idle) : MakeControl(proto::REGISTER, hello);
    proto::Header& header = message.header;
    header.set_job(plan_.job_id);
    header.set_role(proto::SPARE);
    header.set_index(index_);
    header.set_incarnation(1);
    const std::string what = registered_ ? "heartbeat to" : "registration at";
    requester_.Send(scheduler_, std::move(message), what + " the scheduler at " + watch_.endpoint());
  }

  Status Take(Envelope envelope) {
    const auto reply = requester_.Match(std::move(envelope));
    if (!reply.has_value()) return {};
    watch_.Heard(Clock::now());
    RETURN_IF_ERROR(StatusOf(reply->message.header).Annotate("the scheduler at " + watch_.endpoint()));
    if (!std::exchange(registered_, true)) return {};
    proto::Command command;
    RETURN_IF_ERROR(ParseBody(reply->message, &command));
    stop_ = command.stop();
    return {};
  }

  Status Follow(const proto::Leader& leader) {
    requester_.Forget(scheduler_);
    ASSIGN_OR_RETURN(scheduler_, mailbox_->Connect(leader.endpoint()));
    registered_ = false;
    next_ = Clock::now();
    return {};
  }

  const JobPlan& plan_;
  const std::uint32_t index_;
  const std::chrono::milliseconds interval_;
  const std::unique_ptr<Mailbox> mailbox_;
  Requester requester_;
  SchedulerWatch watch_;
  Peer scheduler_;
  Deadline next_ = Clock::now();
  bool registered_ = false, stop_ = false;
};

}  // namespace

Status RunSpare(Network* network, const JobPlan& plan, std::uint32_t index) {
  return Spare(network, plan, index).Run();
}

}  // namespace sherd
