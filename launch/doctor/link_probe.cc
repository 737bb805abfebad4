#include "launch/doctor/link_probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "net/requester.h"

namespace sherd {
namespace {

constexpr std::size_t kLoad = std::size_t{4} << 20;
constexpr std::chrono::milliseconds kLoaded{100};
constexpr int kPings = 10;
constexpr RequesterOptions kPatience{.retry_after = std::chrono::milliseconds(1000),
                                     .give_up_after = std::chrono::milliseconds(4000)};

// Of this host's clock on the wall.
double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

Message Probe(std::string load) {
  Message message;
  message.header.set_kind(proto::HEARTBEAT);
  message.frames.push_back(Frame::Of(std::move(load)));
  return message;
}

// The other's time.
Result<double> Ask(Requester* requester, const Peer& to, std::string load) {
  ASSIGN_OR_RETURN(const Message answer, requester->Call(to, Probe(std::move(load)), "probe"));
  if (answer.frames.size() != 1 || answer.frames[0].size() != sizeof(double)) {
    return Status::BadData("an answer that is none");
  }
  double time = 0;
  std::memcpy(&time, answer.frames[0].bytes().data(), sizeof(time));
  return time;
}

Status Measure(Requester* requester, const Peer& to, proto::LinkReport* link) {
  RETURN_IF_ERROR(Ask(requester, to, "").status());  // the connection is there from now on
  link->set_round_trip(1e9);
  for (int i = 0; i < kPings; ++i) {
    const Deadline begin = Clock::now();
    const double before = WallSeconds();
    ASSIGN_OR_RETURN(const double theirs, Ask(requester, to, ""));
    const double after = WallSeconds(), round_trip = Seconds(Clock::now() - begin);
    if (round_trip >= link->round_trip()) continue;
    link->set_round_trip(round_trip);
    link->set_clock_offset(theirs - (before + after) / 2);
  }
  const Deadline begin = Clock::now();
  std::size_t sent = 0;
  while (Clock::now() - begin < kLoaded) {
    RETURN_IF_ERROR(Ask(requester, to, std::string(kLoad, 'x')).status());
    sent += kLoad;
  }
  link->set_rate(static_cast<double>(sent) / Seconds(Clock::now() - begin));
  return {};
}

}  // namespace

Result<std::unique_ptr<LinkEcho>> LinkEcho::Start(Network* network, const std::string& endpoint) {
  std::unique_ptr<Mailbox> mailbox = network->Open();
  RETURN_IF_ERROR(mailbox->Bind(endpoint));
  return std::unique_ptr<LinkEcho>(new LinkEcho(std::move(mailbox)));
}

LinkEcho::LinkEcho(std::unique_ptr<Mailbox> mailbox)
    : mailbox_(std::move(mailbox)), endpoint_(mailbox_->endpoint()), thread_([this] { Run(); }) {}

LinkEcho::~LinkEcho() {
  over_ = true;
  mailbox_->Wake();
  thread_.join();
}

void LinkEcho::Run() {
  while (!over_) {
    const auto envelope = mailbox_->Receive(Clock::now() + std::chrono::seconds(1));
    if (!envelope || envelope->message.header.reply()) continue;
    Message answer = MakeReply(envelope->message.header);
    const double time = WallSeconds();
    answer.frames.push_back(Frame::Of(std::string(reinterpret_cast<const char*>(&time), sizeof(time))));
    const Status sent = mailbox_->Send(envelope->from, std::move(answer));
    LOG_IF(WARNING, !sent.ok()) << sent.text();  // the other asks again
  }
}

proto::LinkReport ProbeLink(Network* network, const std::string& endpoint) {
  proto::LinkReport link;
  const auto mailbox = network->Open();
  const Result<Peer> to = mailbox->Connect(endpoint);
  Requester requester(mailbox.get(), kPatience);
  const Status measured = to.ok() ? Measure(&requester, *to, &link) : to.status();
  if (measured.ok()) return link;
  proto::LinkReport failed;
  failed.set_problem(endpoint + ": " + measured.text());
  return failed;
}

}  // namespace sherd
