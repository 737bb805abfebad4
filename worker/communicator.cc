#include "worker/communicator.h"

#include <algorithm>
#include <utility>

namespace sherd {
namespace {

constexpr std::chrono::milliseconds kLongestWait(1000);  // should a wake be lost, no more than this is
constexpr std::size_t kEvaluationsInFlight = 4;          // nothing they pull changes

}  // namespace

Communicator::Communicator(PipelineState* state, Mailbox* mailbox, PsClient::Options options,
                           const ParameterLayout* layout, std::uint32_t max_in_flight,
                           std::function<void(const Work&)> evaluated)
    : state_(state),
      mailbox_(mailbox),
      max_in_flight_(max_in_flight),
      client_(mailbox, std::move(options), layout),
      evaluated_(std::move(evaluated)) {
  CHECK_GE(max_in_flight, 1u);
  CHECK_LT(max_in_flight, PipelineState::kMaxInFlight);
}

Status Communicator::Run(StageClock* clock) {
  RETURN_IF_ERROR(client_.Connect());
  while (!state_->made.closed()) {
    if (const auto map = state_->TakeMap()) RETURN_IF_ERROR(TakeMap(*map));
    AnswerCut();
    SendComputed();
    StartPulls();
    PassOnPulled();
    SettleAcknowledged();
    waiting_ = client_.waiting();
    flying_ = in_flight_;
    clock->Enter(WhatItWaitsFor());
    std::optional<Envelope> envelope = mailbox_->Receive(std::min(client_.next_tick(), Clock::now() + kLongestWait));
    clock->Enter(StageClock::State::kWorks);
    if (envelope) RETURN_IF_ERROR(client_.Handle(std::move(*envelope)));
    RETURN_IF_ERROR(client_.Tick());
  }
  return {};
}

Status Communicator::TakeMap(const proto::ShardMap& map) {
  ASSIGN_OR_RETURN(const auto restarted, client_.TakeMap(map));
  for (const proto::Restarted& shard : restarted) state_->report.Restarted(shard);
  return {};
}

StageClock::State Communicator::WhatItWaitsFor() const {
  if (!pulling_.empty()) return StageClock::State::kWorks;  // for shards, which is its work
  return next_ == nullptr ? StageClock::State::kWaitsForInput : StageClock::State::kWaitsForOutput;
}

std::size_t Communicator::MaxInFlight() const {
  return next_->is(proto::Task::EVALUATE) ? std::max<std::size_t>(max_in_flight_, kEvaluationsInFlight)
                                          : max_in_flight_;
}

void Communicator::StartPulls() {
  while (true) {
    if (next_ == nullptr) {
      std::optional<WorkPtr> made = state_->made.TryPop();
      if (!made) return;
      next_ = std::move(*made);
    }
    if (in_flight_ >= MaxInFlight()) return;
    if (next_->has_rows()) client_.Pull(next_);
    pulling_.push_back(std::exchange(next_, nullptr));
    ++in_flight_;
  }
}

void Communicator::PassOnPulled() {
  while (!pulling_.empty() && pulling_.front()->unanswered == 0) {
    computing_.push_back(pulling_.front());
    if (!state_->pulled.Push(pulling_.pop_front())) return;
  }
}

void Communicator::SendComputed() {
  while (std::optional<WorkPtr> work = state_->computed.TryPop()) (*work)->computed = true;
  while (!computing_.empty() && computing_.front()->computed) {
    --in_flight_;
    Send(computing_.pop_front());
    AnswerCut();
  }
}

void Communicator::Send(const WorkPtr& work) {
  switch (work->task->kind()) {
    case proto::Task::TRAIN:
      if (work->has_rows()) client_.Push(work, state_->job_seconds());
      state_->report.Pushed(*work);
      clock_ = work->clock;
      pushed_.push_back(work);
      return;
    case proto::Task::END_EPOCH:
      client_.Retire(work);
      state_->report.RetireSent();
      pushed_.push_back(work);
      return;
    default:
      evaluated_(*work);
  }
}

void Communicator::SettleAcknowledged() {
  bool retired = false;
  while (!pushed_.empty() && pushed_.front()->unanswered == 0) {
    const Work& work = *pushed_.front();
    if (work.is(proto::Task::END_EPOCH)) {
      state_->report.Retired();
      retired = true;
    } else {
      state_->report.Acknowledged(work);
    }
    pushed_.pop_front();
  }
  if (retired) state_->Notify();
}

void Communicator::AnswerCut() {
  const std::optional<proto::Command> command = state_->cut();
  if (!command || command->cut() == answered_cut_) return;
  const TrainingReport::Stand stand = state_->report.stand();
  // Retiring stands for a mark, at the shards and, once it is told, at the scheduler. And who has not yet heard of an
  // epoch that has begun can not say what it does in it.
  if (!stand.active) return;
  const std::uint64_t clock = stand.next_clock;
  const bool past = clock > command->cut_clock();
  if (past && !command->cut_any_clock()) {
    if (late_cut_ == command->cut() && late_clock_ == command->cut_clock()) return;
    late_cut_ = command->cut();
    late_clock_ = command->cut_clock();
    SendCutPosition(*command, stand, true);
    return;
  }
  // Without work the clock asked for may never come.
  if (clock < command->cut_clock() && !(stand.idle && command->cut_any_clock())) return;
  answered_cut_ = command->cut();
  client_.Mark(command->cut(), stand.epoch, clock);
  SendCutPosition(*command, stand, false);
}

void Communicator::SendCutPosition(const proto::Command& command, const TrainingReport::Stand& stand, bool late) {
  proto::CutPosition position;
  position.set_cut(command.cut());
  position.set_clock(stand.next_clock);
  if (late) {
    position.set_late(true);
  } else {
    for (proto::ChunkPosition& chunk : state_->report.PushedPositions()) *position.add_position() = std::move(chunk);
  }
  state_->Post(MakeControl(proto::CUT_POSITION, position));
}

std::string Communicator::Doing() const {
  return "clock " + std::to_string(clock_) + ": " + std::to_string(flying_) + " minibatches in flight, " +
         std::to_string(waiting_) + " requests to shards unanswered";
}

}  // namespace sherd
