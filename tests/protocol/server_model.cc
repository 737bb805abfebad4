#include "tests/protocol/server_model.h"

#include <cstring>
#include <utility>

#include "base/status.h"

namespace sherd::protocol {
namespace {

// In order, so that what was sent in another order is the same state.
template <typename Message, std::size_t n>
void AddTo(const Message& message, std::array<Message, n>* messages, std::uint8_t* count) {
  std::size_t place = 0;
  for (; place < *count; ++place) {
    const int order = std::memcmp(&(*messages)[place], &message, sizeof message);
    if (order == 0) return;
    if (order > 0) break;
  }
  CHECK_LT(*count, n) << "room for messages";
  std::copy_backward(messages->begin() + place, messages->begin() + *count, messages->begin() + *count + 1);
  (*messages)[place] = message;
  ++*count;
}

}  // namespace

void AddSent(const Sent& sent, State* state) { AddTo(sent, &state->sent, &state->sent_count); }

void AddAcknowledgement(const Acknowledgement& acknowledgement, State* state) {
  AddTo(acknowledgement, &state->acknowledgements, &state->acknowledgement_count);
}

// ---- maps ----------------------------------------------------------------------------------------------------------

void ServerModel::TakeMap(Map* map) {
  const auto bit = static_cast<std::uint8_t>(1 << number_);
  if (map->term < server_.term && rules_(Rule::kTermFence)) return;
  if (server_.part == Part::kIdle) {
    if (TakeMapWhenIdle(*map)) map->answered |= bit;
    return;
  }
  const bool joins = map->epoch == server_.map_epoch && map->primary == number_ && map->follower != kNobody &&
                     map->follower != server_.follower;
  if (joins) {
    if (server_.joining == map->follower) return;
    if (server_.map_epoch <= server_.log_id && rules_(Rule::kOneCopyAMap)) return;  // FAILED
    if (server_.joining != kNobody) EndJoining();
    server_.joining = map->follower;
    return;  // answered when it has everything
  }
  GoByMap(*map);
  map->answered |= bit;
}

bool ServerModel::TakeMapWhenIdle(const Map& map) {
  if (map.epoch < server_.map_epoch && rules_(Rule::kSeatRemembers)) return true;
  const std::uint8_t seen = rules_(Rule::kSeatRemembers) ? map.epoch : 0;
  const bool alive = server_.alive;
  const std::uint8_t term = server_.term;
  server_ = Server{.alive = alive, .map_epoch = seen, .term = term};
  if (map.primary == number_ || map.follower == number_) {
    server_.map_epoch = map.epoch;
    server_.part = map.primary == number_ ? Part::kPrimary : Part::kFollower;
    if (map.primary == number_) Follow(map.follower);
  }
  return true;
}

void ServerModel::GoByMap(const Map& map) {
  if (map.epoch < server_.map_epoch) return;
  if (map.epoch == server_.map_epoch && rules_(Rule::kNewerMapsOnly)) return;
  if (map.epoch > server_.map_epoch && server_.joining != kNobody) EndJoining();
  server_.map_epoch = map.epoch;
  if (map.primary == number_) {
    if (map.follower != server_.follower) Follow(map.follower);
    server_.part = Part::kPrimary;
  } else if (map.follower == number_) {
    server_.part = Part::kFollower;
  } else {
    BecomeNothing();
  }
}

void ServerModel::Follow(std::uint8_t follower) {
  EndLog();
  server_.follower = follower;
  if (follower == kNobody) return;
  BeginLog(follower);
  server_.released = server_.gates = true;
}

void ServerModel::BeginLog(std::uint8_t to) {
  server_.log_to = to;
  server_.log_id = server_.map_epoch;
  server_.last = server_.acknowledged = 0;
  server_.log = {};
  server_.released = server_.gates = false;
}

// Nobody is waited for any more.
void ServerModel::EndLog() {
  server_.log_to = kNobody;
  server_.last = server_.acknowledged = 0;
  server_.log = {};
  server_.released = server_.gates = false;
  for (std::uint8_t push = 1; push <= kPushes; ++push) {
    if (std::exchange(server_.held[push - 1], 0) != 0) Promise(push);
  }
}

void ServerModel::EndJoining() {
  if (server_.copied) EndLog();
  server_.joining = kNobody;
  server_.copied = false;
}

// The seat is left empty.
void ServerModel::BecomeNothing() {
  const std::uint8_t seen = rules_(Rule::kSeatRemembers) ? server_.map_epoch : 0;
  server_ = Server{.alive = true, .map_epoch = seen, .term = server_.term};
}

// ---- a primary -----------------------------------------------------------------------------------------------------

void ServerModel::TakePush(std::uint8_t push, std::uint8_t map_epoch) {
  if (server_.part != Part::kPrimary || map_epoch != server_.map_epoch) return;
  if (push > server_.rows.next) return;  // OUT_OF_ORDER
  if (push < server_.rows.next && rules_(Rule::kSequences)) return Answer(push);
  Apply(push);
  Log({.push = push, .rows = {.next = 0, .applied = {}}});
  Answer(push);
}

void ServerModel::Apply(std::uint8_t push) {
  if (push == server_.rows.next) ++server_.rows.next;
  if (++server_.rows.applied[push - 1] > 1) violation_ = "push " + std::to_string(push) + " is applied twice";
}

void ServerModel::Log(const Operation& operation) {
  if (server_.log_to == kNobody) return;
  if (server_.last == server_.log.size()) {
    violation_ = "a push is logged again";  // of a rule that is off
    return;
  }
  server_.log[server_.last++] = operation;
  if (server_.released) Send(server_.last);
}

void ServerModel::Send(std::uint8_t number) {
  AddSent({.from = number_,
           .to = server_.log_to,
           .log_id = rules_(Rule::kLogsHaveNames) ? server_.log_id : std::uint8_t{1},
           .number = number,
           .operation = server_.log[number - 1]},
          &state_);
}

void ServerModel::Answer(std::uint8_t push) {
  const bool waits = server_.gates && server_.acknowledged < server_.last && rules_(Rule::kAnswersWait);
  if (!waits) return Promise(push);
  std::uint8_t& held = server_.held[push - 1];
  if (held == 0) held = server_.last;
}

void ServerModel::Promise(std::uint8_t push) {
  if (std::exchange(state_.promised[push - 1], true)) return;
  for (const Server& other : state_.servers) {
    const bool newer = other.alive && other.part == Part::kPrimary && other.map_epoch > server_.map_epoch;
    if (newer && other.rows.next <= push) {
      violation_ =
          "push " + std::to_string(push) + " is acknowledged by a primary that another one, without it, has followed";
    }
  }
}

void ServerModel::TakeAcknowledgement(const Acknowledgement& acknowledgement) {
  if (server_.log_to == kNobody || acknowledgement.from != server_.log_to) return;
  if (acknowledgement.changed > 0) {
    if (acknowledgement.changed <= server_.map_epoch) return;
    server_.map_epoch = acknowledgement.changed;
    return BecomeNothing();
  }
  if (acknowledgement.log_id != server_.log_id && rules_(Rule::kLogsHaveNames)) return;
  Acknowledge(acknowledgement.number);
  if (server_.joining == kNobody || !server_.copied || acknowledgement.number == 0) return;
  if (!server_.released) {
    server_.released = true;
    for (std::uint8_t number = 1; number <= server_.last; ++number) Send(number);
  }
  if (rules_(Rule::kJoiningGates)) server_.gates = true;
  if (server_.acknowledged < server_.last) return;
  // It has everything: a follower like any other.
  server_.follower = std::exchange(server_.joining, kNobody);
  server_.copied = false;
  for (std::uint8_t i = 0; i < state_.map_count; ++i) {
    Map& map = state_.maps[i];
    const bool asked = map.join && map.primary == number_ && map.epoch == server_.map_epoch &&
                       map.follower == server_.follower && (map.targets >> number_ & 1) != 0;
    if (asked) map.answered |= static_cast<std::uint8_t>(1 << number_);
  }
}

void ServerModel::Acknowledge(std::uint8_t number) {
  if (number > server_.last) return;
  server_.acknowledged = std::max(server_.acknowledged, number);
  for (std::uint8_t push = 1; push <= kPushes; ++push) {
    std::uint8_t& held = server_.held[push - 1];
    if (held == 0 || held > server_.acknowledged) continue;
    held = 0;
    Promise(push);
  }
}

void ServerModel::Copy() {
  if (server_.joining == kNobody || server_.copied) return;
  BeginLog(server_.joining);
  Operation load{.push = 0, .rows = server_.rows};
  if (!rules_(Rule::kCopyOfSequences)) load.rows.next = 1;
  Log(load);
  // Written at once: what is sent may come as late as it likes.
  server_.copied = true;
  Send(1);
}

// A checkpoint came between.
void ServerModel::InterruptCopy() {
  if (server_.joining != kNobody && server_.copied) EndJoining();
}

// A primary whose follower does not answer, and which does not wait for it.
void ServerModel::GoOnAlone() {
  if (rules_(Rule::kAloneByMap) || server_.follower == kNobody || server_.log_to != server_.follower) return;
  server_.follower = kNobody;
  EndLog();
}

// ---- a follower ----------------------------------------------------------------------------------------------------

void ServerModel::TakeOperation(const Sent& sent) {
  if (server_.part == Part::kIdle) return;
  if (server_.part == Part::kPrimary && rules_(Rule::kPrimaryRefuses)) {
    return AddAcknowledgement({.from = number_, .to = sent.from, .changed = server_.map_epoch}, &state_);
  }
  if (sent.log_id < server_.redone_log) return;
  if (sent.log_id > server_.redone_log) {
    server_.redone_log = sent.log_id;
    server_.redone = 0;
  }
  if (sent.number == server_.redone + 1) {
    const std::uint8_t push = sent.operation.push;
    if (push == 0) server_.rows = sent.operation.rows;
    const bool next = push != 0 && push == server_.rows.next;
    if (next || (push != 0 && !rules_(Rule::kSequences))) Apply(push);
    if (next && server_.part == Part::kPrimary) Log(sent.operation);
    if (push == 0 || push < server_.rows.next) ++server_.redone;
  }
  AddAcknowledgement({.from = number_, .to = sent.from, .log_id = sent.log_id, .number = server_.redone, .changed = 0},
                     &state_);
}

}  // namespace sherd::protocol
