#include "launch/spare.h"

#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/host_name.h"
#include "net/requester.h"

namespace sherd {
namespace {

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * seconds));
}

void FillHeader(const JobPlan& plan, std::uint32_t index, proto::Header* header) {
  header->set_job(plan.job_id);
  header->set_role(proto::SPARE);
  header->set_index(index);
  header->set_incarnation(1);
}

}  // namespace

Status RunSpare(Network* network, const JobPlan& plan, std::uint32_t index) {
  const std::unique_ptr<Mailbox> mailbox = network->Open();
  ASSIGN_OR_RETURN(const Peer scheduler, mailbox->Connect(plan.scheduler_endpoint));
  const auto interval = Milliseconds(plan.job.cluster().heartbeat_timeout() / 3);
  Requester requester(mailbox.get(),
                      {.retry_after = interval, .give_up_after = Milliseconds(plan.job.cluster().request_timeout())});
  const std::string where = " at " + plan.scheduler_endpoint;

  proto::Register body;
  body.set_host(HostName());
  body.set_pid(static_cast<std::uint32_t>(getpid()));
  Message hello = MakeControl(proto::REGISTER, body);
  FillHeader(plan, index, &hello.header);
  const auto welcome = requester.Call(scheduler, std::move(hello), "registration at the scheduler" + where);
  if (!welcome.ok()) return welcome.status();

  proto::Heartbeat idle;
  idle.set_doing("waiting to take a place");
  while (true) {
    Message beat = MakeControl(proto::HEARTBEAT, idle);
    FillHeader(plan, index, &beat.header);
    ASSIGN_OR_RETURN(const Message answer,
                     requester.Call(scheduler, std::move(beat), "heartbeat to the scheduler" + where));
    proto::Command command;
    RETURN_IF_ERROR(ParseBody(answer, &command));
    if (command.stop()) return {};
    std::this_thread::sleep_for(interval);
  }
}

}  // namespace sherd
