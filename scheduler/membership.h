#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/wire.pb.h"

namespace sherd {

struct MembershipOptions {
  std::uint32_t servers = 1, workers = 1, spares = 0;
  std::uint32_t shards_per_server = 1;
  std::uint32_t replicas = 1;
  std::chrono::milliseconds heartbeat_timeout{10000};
};

// Who takes part: servers, workers and spares by index, from their registration to their last sign of life. Those that
// the job was launched with are expected, others may join. Time is an argument, so nothing here waits.
// Thread-compatible.
class Membership {
 public:
  explicit Membership(MembershipOptions options);

  // A place for one more, which has joined or is about to. A worker is waited for from now on. Asked again it changes
  // nothing.
  void AddPlace(proto::Role role, std::uint32_t index);
  bool HasPlace(proto::Role role, std::uint32_t index) const { return Find(role, index) != nullptr; }
  // Workers' indices are below it. Not each need be there.
  std::uint32_t WorkerPlaces() const;

  // A rank is there. Repeating it is harmless. Invalid: it is no rank of this job, has another number of shards, or its
  // place is taken by another process.
  Status Register(const proto::Header& header, const proto::Register& body, Deadline now);
  // All servers and workers that are not lost have registered (spares need not).
  bool complete() const;
  // Who has not: "server 1 (rank 2), worker 0 (rank 3)".
  std::string Missing() const;
  // What each rank of a role has registered, by index; of one that has not, or is not there, nothing.
  std::vector<proto::Register> Registered(proto::Role role) const;

  // A message of a registered rank: it is alive. Invalid: not registered; Unavailable: of an older incarnation.
  Status Hear(const proto::Header& header, Deadline now);
  void Doing(const proto::Header& header, std::string what);
  // Nobody could be heard for so long: the listener was busy itself.
  void Forgive(Clock::duration time);
  // Success, or which servers have been silent for the timeout. Once complete.
  Status CheckAlive(Deadline now) const;
  // Those of a role of which the same is true. Once complete.
  std::vector<std::uint32_t> Silent(proto::Role role, Deadline now) const;
  // The rank is lost, whatever it may still say: Hear refuses it, and Register. Returns the incarnation that another
  // one in its place would have.
  std::uint32_t Expel(proto::Role role, std::uint32_t index);
  bool expelled(proto::Role role, std::uint32_t index) const;
  bool registered(proto::Role role, std::uint32_t index) const;
  std::vector<std::uint32_t> LiveWorkers() const;
  bool IsLiveWorker(std::uint32_t index) const;
  // "lost (no heartbeat for 3 s): worker 1 (…), last at: …".
  std::string Obituary(proto::Role role, std::uint32_t index) const;
  const std::string& HostOf(std::uint32_t worker) const;

  // "worker 0 (…) at: pull of clock 7 from shard 1; …": of all ranks that have said so.
  std::string WhatAllDo() const;

  // The rank has ended, or has been told that the job is over, and is not waited for.
  void Dismiss(const proto::Header& header);
  bool AllDismissed(proto::Role role, Deadline now) const;  // or dead
  bool Awaited(proto::Role role, std::uint32_t index, Deadline now) const;

  // "worker 1 (rank 4, process 77 on host a)"; of one that has not registered "worker 1 (rank 4)", of one that has
  // joined "worker 2 (joined, process 78 on host b)".
  std::string NameOf(proto::Role role, std::uint32_t index) const;

 private:
  struct Member {
    proto::Role role = proto::SERVER;
    std::uint32_t index = 0, rank = 0, incarnation = 1;  // rank 0: it has joined; all begin with incarnation 1
    bool registered = false, dismissed = false, expelled = false;
    proto::Register body;
    std::string doing;
    Deadline last_heard;
  };

  Member* Find(proto::Role role, std::uint32_t index);
  const Member* Find(proto::Role role, std::uint32_t index) const;
  bool IsSilent(const Member& member, Deadline now) const;
  bool Missed(const Member& member, Deadline now) const;
  std::string Lost(const std::string& names) const;
  std::string WhyExpelled(const Member& member) const;
  std::string LastWordsOf(const Member& member) const;

  const MembershipOptions options_;
  std::vector<Member> members_;  // in the order of their ranks, from rank 1; then those that have joined
};

}  // namespace sherd
