#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/status.h"
#include "net/mailbox.h"
#include "worker/pipeline_state.h"
#include "worker/ps_client.h"

namespace sherd {

// The stage between a worker and the shards: pulls what the reader made while fewer than max_in_flight minibatches are
// pulled and not yet pushed, hands them to the compute in order, pushes what it computed, follows the acknowledgements,
// and sets the marks of cuts. Confined to the thread of Run, but for Wake and Doing.
class Communicator {
 public:
  // All must outlive it. In BSP, max_in_flight is 1: a pull then comes after the push before it.
  Communicator(PipelineState* state, Mailbox* mailbox, PsClient::Options options, const ParameterLayout* layout,
               std::uint32_t max_in_flight);

  // Until the state's queues are closed, or with the reason why it can not go on.
  Status Run();
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
  void SendCutPosition(const proto::Command& command, std::uint64_t clock, bool late);
  std::size_t MaxInFlight() const;

  PipelineState* const state_;
  Mailbox* const mailbox_;
  const std::uint32_t max_in_flight_;
  PsClient client_;
  WorkPtr next_;                 // taken from the reader, not yet pulled
  std::deque<WorkPtr> pulling_;  // in order, until all shards have answered
  std::deque<WorkPtr> pushed_;   // in order, until all shards have acknowledged
  std::size_t in_flight_ = 0;
  std::uint32_t answered_cut_ = 0;  // the last cut that was marked
  std::uint64_t late_clock_ = 0;    // clock at which late_cut_ was answered late
  std::uint32_t late_cut_ = 0;
  std::atomic<std::uint64_t> clock_ = 0, waiting_ = 0, flying_ = 0;
};

}  // namespace sherd
