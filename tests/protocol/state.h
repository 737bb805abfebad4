#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace sherd::protocol {

// One shard of a job with a scheduler, a spare that may follow it, three servers (the third one a spare with room for a
// follower), and a worker that pushes twice. Everything is bytes, and unused ones are 0, so that states are compared
// and hashed as memory.
//
// Messages are never taken out: what was sent once may arrive at any later time, never, or again and again. So loss,
// repetition and delay need no steps of their own, and a process that is stopped is one that takes no step for a while.

inline constexpr int kServers = 3, kPushes = 2, kMaps = 14, kOperations = 16, kAcknowledgements = 24;
inline constexpr std::uint8_t kNobody = 3;

enum class Part : std::uint8_t { kIdle, kPrimary, kFollower };

// What a replica holds: the pushes that it has applied, how often, and the sequence number that it expects.
struct Rows {
  std::uint8_t next = 1;
  std::array<std::uint8_t, kPushes> applied{};
};

struct Operation {
  std::uint8_t push = 0;  // 0: LOAD of `rows`
  Rows rows{.next = 0, .applied = {}};
};

// ps/shard.h, ps/operation_log.h, ps/shard_thread.h
struct Server {
  bool alive = true;
  Part part = Part::kIdle;
  std::uint8_t map_epoch = 0;  // of an idle one: the greatest that it has seen
  std::uint8_t term = 1;       // of the scheduler that it listens to
  Rows rows = {};
  // A primary's log.
  std::uint8_t follower = kNobody;  // by its map
  std::uint8_t log_to = kNobody;    // to whom it goes: the follower, or one that is to be
  std::uint8_t log_id = 0;          // the epoch of the map by which it began, should it be over
  std::uint8_t last = 0, acknowledged = 0;
  bool released = false, gates = false;
  std::array<Operation, kPushes + 1> log{};
  std::array<std::uint8_t, kPushes> held{};  // answers, by push: the operation that each waits for; 0: there is none
  // A new follower.
  std::uint8_t joining = kNobody;
  bool copied = false;
  // A follower.
  std::uint8_t redone = 0, redone_log = 0;
};

// SHARD_MAP, and who has answered it.
struct Map {
  std::uint8_t term = 0, epoch = 0, primary = 0, follower = kNobody;
  bool join = false;         // for the two alone: the follower is to be one
  std::uint8_t targets = 0;  // servers that it is sent to, as bits
  std::uint8_t answered = 0;
  bool heard = false;  // the worker goes, or has gone by it: what it has sent then may arrive
};

// OPERATION, and its answer.
struct Sent {
  std::uint8_t from = 0, to = 0, log_id = 0, number = 0;
  Operation operation;
};
struct Acknowledgement {
  std::uint8_t from = 0, to = 0, log_id = 0, number = 0;
  std::uint8_t changed = 0;  // MAP_CHANGED, by this epoch; 0: it is none
};

// scheduler/lost_servers.cc, scheduler/taking_over.cc
struct Placement {
  std::uint8_t epoch = 1, primary = 0, follower = 1;
};
struct Scheduler {
  bool alive = true;
  bool acts = false;   // it has taken its place; it may have lost it, and not know
  bool ended = false;  // it has found that nobody has the shard any more
  Placement placement;
  Placement written;            // in its journal
  std::uint8_t expelled = 0;    // servers
  std::uint8_t registered = 0;  // servers that have come to it
  std::uint8_t apart = 0;       // hosts that the primary can not talk to
  std::uint8_t joining = kNobody;
  bool asks_primary = false;
};

struct Worker {
  std::uint8_t term = 1;
  bool registered = false;  // with the second scheduler
  std::uint8_t map_epoch = 1;
};

struct State {
  std::array<Server, kServers> servers;
  std::array<Scheduler, 2> schedulers;
  bool claimed = false;  // the second term
  Worker worker;
  std::array<bool, kPushes> promised{};  // the worker may have heard that it was taken
  std::uint8_t map_count = 0, sent_count = 0, acknowledgement_count = 0;
  std::uint8_t mishaps = 0;  // so far
  std::array<Map, kMaps> maps{};
  std::array<Sent, kOperations> sent{};
  std::array<Acknowledgement, kAcknowledgements> acknowledgements{};
};
static_assert(alignof(State) == 1, "bytes alone, without padding");

}  // namespace sherd::protocol
