#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/mailbox.h"
#include "proto/checkpoint.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

struct CutPlan {
  std::uint32_t cut = 0;  // number, growing
  std::string dir;        // where the shards' files go
  std::uint32_t shards = 0;
  std::set<std::uint32_t> workers;  // live and not retired: they have to mark
  std::uint64_t clock = 0;          // asked for
  bool any_clock = false;
};

// One cut at a time, from the first request to the last shard's file (docs/wire_format.md, "A cut"). It says what is to
// be done next and is told what has happened; it sends and waits for nothing itself. What is told of another cut than
// the open one is ignored. Thread-compatible.
//
//   kIdle -Begin-> kOpening -all shards opened-> kMarking -all workers marked or retired-> kWriting -all shards wrote->
//   kWritten kOpening, kMarking, kWriting -something failed, late or overdue-> kAbandoned;   kWritten, kAbandoned
//   -Close-> kIdle
class CheckpointCoordinator {
 public:
  enum class Phase { kIdle, kOpening, kMarking, kWriting, kWritten, kAbandoned };

  void Begin(CutPlan plan, Deadline marks_until, Deadline written_until);
  void Opened(std::uint32_t cut, std::uint32_t shard);
  // The worker marked; `part` are the positions of what it was dealt.
  void Marked(std::uint32_t cut, std::uint32_t worker, std::uint64_t clock, std::vector<proto::ChunkPosition> part);
  // It is past the clock asked for.
  void Late(std::uint32_t cut, const std::string& worker);
  // It pushes no more in this epoch, which counts as a mark.
  void Retired(std::uint32_t worker) { Settle(worker); }
  // It is lost. True: the cut is abandoned for that, because the worker has marked it or was waited for.
  bool Lose(std::uint32_t worker);
  // These shards' primaries are lost: what was marked there, or is being written, is not known.
  void LosePrimaries(const std::string& why);
  void Wrote(std::uint32_t cut, std::uint32_t shard, proto::ShardFile file);
  void Failed(std::uint32_t cut, const std::string& why);
  void Tick(Deadline now);
  void Close() { phase_ = Phase::kIdle; }

  Phase phase() const { return phase_; }
  bool idle() const { return phase_ == Phase::kIdle; }
  const CutPlan& plan() const { return plan_; }
  // What the worker is to be told: of the cut, as long as it has not marked.
  void Tell(std::uint32_t worker, proto::Command* command) const;

  // Of the marks so far.
  const std::set<std::uint32_t>& marked() const { return marked_; }
  const std::vector<proto::ChunkPosition>& parts() const { return parts_; }
  std::uint64_t clock() const { return clock_; }  // the greatest of the marks
  // kWritten: by shard.
  const std::vector<proto::ShardFile>& files() const { return files_; }
  // kAbandoned: why, and whether another attempt may do better (a worker was late).
  const std::string& reason() const { return reason_; }
  bool worth_retrying() const { return worth_retrying_; }

 private:
  bool Open(std::uint32_t cut) const;
  void Settle(std::uint32_t worker);
  void GoOn();
  void Abandon(std::string why, bool worth_retrying);

  Phase phase_ = Phase::kIdle;
  CutPlan plan_;
  Deadline marks_until_, written_until_;
  std::set<std::uint32_t> opening_, writing_;  // shards that have not yet
  std::set<std::uint32_t> waiting_;            // workers that have not marked
  std::set<std::uint32_t> marked_;
  std::vector<proto::ChunkPosition> parts_;
  std::uint64_t clock_ = 0;
  std::vector<proto::ShardFile> files_;
  std::string reason_;
  bool worth_retrying_ = false;
};

}  // namespace sherd
