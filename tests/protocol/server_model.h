#pragma once

#include <cstdint>
#include <string>

#include "tests/protocol/rules.h"
#include "tests/protocol/state.h"

namespace sherd::protocol {

// What a server does when something arrives, or by itself: as ps/shard_replica.cc, ps/shard_copy.cc and
// ps/shard_thread.cc do it. Each changes `state`; one that changes nothing was no step.
class ServerModel {
 public:
  ServerModel(Rules rules, State* state, int number)
      : rules_(rules), state_(*state), number_(static_cast<std::uint8_t>(number)), server_(state->servers[number]) {}

  void TakeMap(Map* map);
  void TakePush(std::uint8_t push, std::uint8_t map_epoch);
  void TakeOperation(const Sent& sent);
  void TakeAcknowledgement(const Acknowledgement& acknowledgement);
  void Copy();
  void InterruptCopy();
  void GoOnAlone();

  // Empty, or which promise the last step has broken.
  const std::string& violation() const { return violation_; }

 private:
  bool TakeMapWhenIdle(const Map& map);
  void GoByMap(const Map& map);
  void Follow(std::uint8_t follower);
  void BeginLog(std::uint8_t to);
  void EndLog();
  void EndJoining();
  void BecomeNothing();
  void Apply(std::uint8_t push);
  void Log(const Operation& operation);
  void Send(std::uint8_t number);
  void Answer(std::uint8_t push);
  void Promise(std::uint8_t push);
  void Acknowledge(std::uint8_t number);

  const Rules rules_;
  State& state_;
  const std::uint8_t number_;
  Server& server_;
  std::string violation_;
};

// Adds a message, unless it has been sent before.
void AddSent(const Sent& sent, State* state);
void AddAcknowledgement(const Acknowledgement& acknowledgement, State* state);

}  // namespace sherd::protocol
