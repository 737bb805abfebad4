#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cpu_meter.h"
#include "base/status.h"
#include "net/mailbox.h"
#include "net/pulled_keys.h"
#include "proto/job.pb.h"
#include "proto/shard_state.pb.h"
#include "ps/applied_minibatches.h"
#include "ps/buffer_pool.h"
#include "ps/clock_barrier.h"
#include "ps/clock_table.h"
#include "ps/cut.h"
#include "ps/cut_writer.h"
#include "ps/memory_watch.h"
#include "ps/operation_log.h"
#include "ps/request_view.h"
#include "ps/shard_store.h"

namespace sherd {

struct ShardOptions {
  std::uint32_t shard = 0;
  std::uint32_t map_epoch = 1;
  proto::Train train;               // the consistency
  std::uint64_t memory_budget = 0;  // bytes that this shard may take; 0: no limit
  std::string spill_dir;            // of this shard alone; empty: it must not spill
  bool compress_checkpoints = false;
  std::string server_dir = {};      // of checkpoints' folders on the server's own disk; empty: a cut's own folder
  std::function<void()> wake = {};  // when Work may have something to do again; called by other threads
  std::string endpoint = {};        // where others reach this shard, by which it finds itself in a map
  std::function<Result<Peer>(const std::string& endpoint)> connect = {};  // to a follower
  CpuMeter* meter = nullptr;                                              // of the shard's thread, if any
  std::string copy_dir = {};  // that new followers' hosts see too, for copies; empty: the shard can get none
};

// The actor that owns a range of slots: takes one request after the other and says what to send. It does what
// docs/wire_format.md says and docs/consistency.md explains; it knows no network, no clock on the wall and no thread.
// Confined to one thread.
class Shard {
 public:
  Shard(ShardOptions options, std::unique_ptr<ShardStore> store);

  // Takes a request. Returns what is to be sent now, in order: its reply, if it has one already, and replies to
  // requests that were held until now. `from` of each is where it goes. Whatever the request holds, the shard stays
  // whole.
  std::vector<Envelope> Handle(Envelope request);
  // What Handle returned, once it is sent: its memory is used again. Who takes a message out puts one in elsewhere.
  void Reuse(std::vector<Envelope> sent);

  // What the shard is to be by a newer map of the shards: their primary, a follower, or nothing any more. An error: the
  // follower can not be connected to.
  Status TakeMap(const proto::ShardMap& map);
  // Does its follower lack anything? Then Repeat, called about twice a second, returns what is to be sent again.
  bool lags() const { return !log_.all_acknowledged(); }
  std::vector<Envelope> Repeat();
  // The follower that ought to answer soon; empty: there is none, or nothing to be answered.
  std::string AwaitedFollower() const { return lags() && !log_.loading() ? follower_endpoint_ : std::string(); }

  // Is there a cut to be written? Then Work goes on with that for about so long, and returns what is to be sent. It can
  // do nothing (ready() is false) while the disk has enough to do: `wake` is called when that has changed.
  bool writing() const { return ActiveWriter() != nullptr; }
  bool ready() const { return ready_; }
  std::vector<Envelope> Work(Deadline until);
  // See CutWriter.
  double pressure() const { return writing() ? ActiveWriter()->pressure() : 0; }

  // STOP has come.
  bool stopped() const { return stopped_; }
  // By the newest map the shard is others': this one is of no use any more.
  bool given_up() const { return part_ == Part::kNone; }
  // Of the newest map that the shard knows of.
  std::uint32_t map_epoch() const { return map_epoch_; }

  const ShardStore& store() const { return *store_; }
  ShardStore& store() { return *store_; }

  // As of the last Handle: what MemoryWatch::full says, and why pushes wait; each empty when all is well.
  const std::string& full() const { return memory_.full(); }
  const std::string& paused() const { return trouble_.empty() ? follower_trouble_ : trouble_; }
  // The job's time, by the pushes that were applied.
  std::uint32_t job_seconds() const { return bsp_ ? barrier_.job_seconds() : job_seconds_; }

 private:
  // What a worker has sent in order: docs/wire_format.md, "Order and repetition".
  struct Stream {
    std::uint32_t incarnation = 0;
    std::uint64_t next = 1;     // the sequence number that is expected
    std::deque<Envelope> held;  // taken, but waiting for a cut: the sequence numbers just before `next`
    PulledKeys pulled;
    bool fenced = false;                    // lost, and none has come in its place
    std::uint64_t pushes = 0, updates = 0;  // that were taken, as in proto::Taken
  };

  enum class Part { kPrimary, kFollower, kNone };

  void HandleRequest(Envelope request);
  void HandleWorker(Envelope request);
  void HandlePull(Envelope request, Stream* stream);
  Status ViewPull(const Message& message);
  void HandleOrdered(Envelope request, Stream* stream);
  void HandleStartEpoch(const Envelope& request);
  void HandleOpenCut(const Envelope& request);
  void HandleAwaitCut(Envelope request);
  void HandlePrune(const Envelope& request);
  void HandleLoad(const Envelope& request);
  void HandleStatus(const Envelope& request);
  void HandleFence(const Envelope& request);
  void HandleChunksDone(const Envelope& request);
  void HandleTakeOver(const Envelope& request);
  void Fence(std::uint32_t worker, std::uint32_t incarnation);
  void Start(const proto::StartEpoch& start);

  // ---- shard_replica.cc ----
  void HandleShardMap(const Envelope& request);
  Status Follow(const std::string& follower, std::uint32_t map_epoch);
  void HandleOperation(Envelope request);
  void Redo(Envelope request);
  bool Redone(const proto::Header& operation);
  void HandleAcknowledgement(const Envelope& answer);
  void RefuseByMap(const Envelope& request);

  // ---- shard_restart.cc ----
  Status ExecuteRestart(const Message& message);
  static void CountPush(const proto::Header& push, Stream* stream);
  static proto::Taken TakenOf(std::uint32_t worker, const Stream& stream);
  std::vector<proto::Taken> Taken() const;

  // ---- shard_copy.cc ----
  // A follower that is to be: it gets a copy of everything, then the log since.
  struct Joining {
    std::string endpoint;
    Peer peer;
    Envelope request;  // answered when it has everything
    std::string dir = {};
    std::unique_ptr<CutWriter> writer = {};  // of the copy
    proto::ShardState state = {};            // at the copy's moment
    bool begun = false, copied = false;
  };
  const CutWriter* ActiveWriter() const {
    return writer_ != nullptr || !joining_.has_value() ? writer_.get() : joining_->writer.get();
  }
  void Join(Envelope request, const std::string& follower);
  bool Quiet() const;
  void BeginCopyIfQuiet();
  void WorkOnCopy(Deadline until);
  Status FinishCopy(Result<proto::ShardFile> file);
  void HasAcknowledged(std::uint64_t number);
  void EndJoining(const Status& status);
  proto::ShardState State() const;
  Status RestoreState(const std::string& dir);

  void BecomePrimary();
  void BecomeNothing();
  // What the shard has done, for its follower.
  void Log(const Message& request) { log_.Append(request, &replies_); }

  // The worker's stream, or nothing and a reply: the request is not for us, or older than what we know.
  Stream* Admit(const Envelope& request);
  Stream* StreamOf(const Envelope& request);
  void ForgetWorker(std::uint32_t worker);
  void AnswerAgain(Envelope request, Stream* stream);

  // The keys of the pull that a push names. False: it has no use, and has been answered.
  bool GiveKeys(Envelope* push, const Stream& stream);
  // Unavailable: a push can not be taken for now, and is to come again.
  Status TakesPushes();

  // Does what a PUSH, RETIRE or MARK says. Invalid: it does not fit, and nothing was changed.
  Status Execute(const Message& message);
  Status ExecutePush(const Message& message);
  Status Prepare();
  void ApplyPrepared(const proto::Header& header);

  // Everything that may have become possible by the last change: clocks, the cut, held pulls.
  void Advance();
  std::string FolderOfCut() const;
  void StartWriting();
  void ReleaseHeld();
  void AbandonCut();
  void AnswerPulls();
  bool Ready(const proto::Header& pull) const;
  std::uint64_t BoundOf(const proto::Header& pull) const;
  void AnswerPull(const Envelope& request);
  Status GatherRows(const SectionView& section, std::byte* out);
  void GatherDense(const SectionView& section, std::byte* out);
  Result<Message> GatherValues(const proto::Header& request, const RequestView& view);

  Message NewReply(const proto::Header& request);
  // Now, or when the follower has all that has been done.
  void Reply(const Envelope& request, Message reply);
  void Refuse(const Envelope& request, proto::StatusCode code, const std::string& text);

  static constexpr std::uint32_t kMostWorkers = 1 << 16;

  const ShardOptions options_;
  const std::uint64_t staleness_;        // of rows, in clocks
  const std::uint64_t dense_staleness_;  // of dense blocks
  const bool bsp_;
  const bool gathers_dense_;  // each clock makes one step of dense blocks, though rows are not of one clock
  const std::unique_ptr<ShardStore> store_;

  RequestChecker checker_;
  RequestView view_;
  ClockTable clocks_;
  ClockBarrier barrier_;
  Cut cut_;
  std::unique_ptr<CutWriter> writer_;  // of the cut, when all marks are in
  std::vector<proto::Taken> taken_;    // of the pushes before it
  bool ready_ = false;                 // of Work
  std::uint32_t tracked_since_ = 0;    // the cut since which changes are noted; 0: they are not
  MemoryWatch memory_;
  std::uint32_t job_seconds_ = 0;            // but in BSP
  std::map<std::uint32_t, Stream> streams_;  // by worker
  std::deque<Envelope> pulls_;               // held until the clocks allow
  BufferPool pool_;
  AlignedBuffer<float> rows_;  // that are to be encoded

  std::string started_;         // the StartEpoch that the clocks are of, serialized; empty: none
  std::uint32_t epoch_ = 0;     // of that StartEpoch …
  std::uint32_t round_ = 0;     // … likewise
  AppliedMinibatches applied_;  // in that epoch
  std::string trouble_;         // why pushes wait; empty: they do not
  std::string damage_;          // why the shard holds nothing to serve: a LOAD failed
  struct Answered {
    Peer from;
    std::uint64_t request;
    Message reply;
  };
  std::optional<Answered> last_load_;

  // Of replication. A follower does what its log says, in order, and answers nobody but its primary.
  Part part_ = Part::kPrimary;
  std::uint32_t map_epoch_;
  OperationLog log_;               // of a primary
  std::string follower_endpoint_;  // that it goes to; empty: to nobody
  std::optional<Joining> joining_;
  std::string follower_trouble_;        // why the follower can not do what it is told to
  std::uint64_t redone_ = 0;            // of a follower: the last operation of its primary's log …
  std::uint32_t redone_log_ = 0;        // … which began by this map
  std::optional<Message> redo_answer_;  // what the primary would have been told

  std::vector<Envelope> replies_;
  MessagePool messages_;  // of requests that are done, for replies
  std::uint64_t pushes_ = 0;
  std::uint64_t refused_ = 0;
  bool stopped_ = false;
};

}  // namespace sherd
