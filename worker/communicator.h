#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/ring.h"
#include "base/status.h"
#include "net/mailbox.h"
#include "worker/pipeline_state.h"
#include "worker/ps_client.h"
#include "worker/stage_clock.h"

namespace sherd {

// The stage between a worker and the shards: pulls what the reader made while fewer than max_in_flight minibatches are
// pulled and not yet pushed, hands them to the compute in order, pushes what it computed in the same order, whichever
// of its threads was first, follows the acknowledgements, and sets the marks of cuts. Confined to the thread of Run,
// but for Wake and Doing.
class Communicator {
 public:
  // All must outlive it. In BSP, max_in_flight is 1: a pull then comes after the push before it. `evaluated` gets each
  // work of an evaluation with its scores, in order, on the thread of Run.
  Communicator(PipelineState* state, Mailbox* mailbox, PsClient::Options options, const ParameterLayout* layout,
               std::uint32_t max_in_flight, std::function<void(const Work&)> evaluated);

  // Until the state's queues are closed, or with the reason why it can not go on. While it has requests to shards that
  // compute waits for, it works.
  Status Run(StageClock* clock);
  // There is something new in a queue. Thread-safe.
  void Wake() { mailbox_->Wake(); }
  // "clock 17: 2 minibatches in flight, 1 request unanswered". Thread-safe.
  std::string Doing() const;

 private:
  void SendComputed();
  void Send(const WorkPtr& work);
  void StartPulls();
  void PassOnPulled();
  void SettleAcknowledged();
  void AnswerCut();
  void SendCutPosition(const proto::Command& command, const TrainingReport::Stand& stand, bool late);
  std::size_t MaxInFlight() const;
  Status TakeMap(const proto::ShardMap& map);
  StageClock::State WhatItWaitsFor() const;

  PipelineState* const state_;
  Mailbox* const mailbox_;
  const std::uint32_t max_in_flight_;
  PsClient client_;
  const std::function<void(const Work&)> evaluated_;
  WorkPtr next_;             // taken from the stage before, not yet pulled
  Ring<WorkPtr> pulling_;    // in order, until all shards have answered
  Ring<WorkPtr> computing_;  // in order, until they are computed and all before them pushed
  Ring<WorkPtr> pushed_;     // in order, until all shards have acknowledged
  std::size_t in_flight_ = 0;
  std::uint32_t answered_cut_ = 0;  // the last cut that was marked
  std::uint64_t late_clock_ = 0;    // clock at which late_cut_ was answered late
  std::uint32_t late_cut_ = 0;
  std::atomic<std::uint64_t> clock_ = 0, waiting_ = 0, flying_ = 0;
};

}  // namespace sherd
