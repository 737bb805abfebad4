#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "net/mailbox.h"
#include "net/requester.h"
#include "proto/wire.pb.h"
#include "worker/gradient_encoder.h"
#include "worker/parameter_layout.h"
#include "worker/push_history.h"
#include "worker/row_cache.h"
#include "worker/work.h"

namespace sherd {

// A worker's side of the conversation with the shards (docs/wire_format.md): one request a shard for each pull (or two:
// Dense::kApart) and each push, whose frames are views of the work's own memory and keep it alive until they are sent.
// Every error names the shard, its endpoint and the clock. Confined to the mailbox's thread.
class PsClient {
 public:
  enum class Dense { kWithRows, kApart };
  struct Options {
    std::uint64_t job_id = 0;
    std::uint32_t index = 0;  // of the worker
    std::uint32_t incarnation = 1;
    proto::ShardMap map;
    double request_timeout_seconds = 60;
    // Dense blocks are pulled with the rows, or by requests of their own where other clocks may hold them up.
    Dense dense = Dense::kWithRows;
    std::chrono::milliseconds retry_after{5000};
    proto::Encoding encoding = proto::FP32;  // of values and gradients, but for those of evaluation
    RowCaches::Options cache = {};
  };

  // All must outlive the client.
  PsClient(Mailbox* mailbox, Options options, const ParameterLayout* layout);

  Status Connect();
  // Goes by a newer map: what is unanswered is asked again of whoever has the shard now. A push that the shard's last
  // primary took, and its follower too, is not done twice: it keeps its sequence number.
  // With a shard that was restored since its own begins anew: what is said of these.
  Result<std::vector<proto::Restarted>> TakeMap(const proto::ShardMap& map);

  // Asks every shard for the values of the work's keys, but for rows that are kept, and its dense blocks. Answered when
  // work->unanswered is 0 again: then work->values are there, with the sizes that the layout says, and work->staleness.
  void Pull(const WorkPtr& work);
  // Sends the work's gradients to every shard, at the job's time. Acknowledged when work->unanswered is 0 again: then
  // work->push_seconds are there.
  void Push(const WorkPtr& work, std::uint32_t job_seconds);
  // Tells every shard that this worker pushes no more in the work's epoch. Acknowledged like a push.
  void Retire(const WorkPtr& work);
  // Puts a mark into the push stream of every shard.
  void Mark(std::uint32_t cut, std::uint32_t epoch, std::uint64_t clock);

  // Takes a received message: an answer that is malformed or says no is an error, one that nobody waits for is ignored.
  Status Handle(Envelope envelope);
  // Repeats what was not answered; Unavailable when a shard did not for too long.
  Status Tick() { return requester_.Tick(); }
  Deadline next_tick() const { return requester_.next_tick(); }
  std::size_t waiting() const { return requester_.waiting(); }

 private:
  enum class Parts { kAll, kRows, kDense };  // that a PULL or PUSH has
  struct Pending {
    proto::Kind kind;
    std::uint32_t shard;
    std::uint64_t clock;
    WorkPtr work;  // none for a mark
    Parts parts = Parts::kAll;
    Deadline sent = {};
  };

  Message MakeMessage(proto::Kind kind, std::uint32_t shard, std::uint32_t epoch, std::uint64_t clock) const;
  // Of the shard's part of the work: sections, and the frames that the kind has but for the keys.
  void AddSections(const WorkPtr& work, std::uint32_t shard, Parts parts, Message* message) const;
  void AddKeysFrames(const WorkPtr& work, const std::vector<UniqueKeys>& keys, std::uint32_t shard,
                     std::vector<Frame>* frames) const;
  proto::Encoding EncodingOf(const Work& work) const;
  // By table: of all its rows, or of those that are not kept from before.
  const std::vector<UniqueKeys>& KeysToPull(const Work& work) const {
    return caches_.Serves(work) ? work.missing : work.keys;
  }
  // These two return the number of the request.
  std::uint64_t PullFrom(std::uint32_t shard, Parts parts, const WorkPtr& work);
  std::uint64_t Send(Message message, WorkPtr work, Parts parts = Parts::kAll);
  // The shard does not know the keys that a push has named: it is sent again with them, unless it was already.
  void SendKeys(const Envelope& answer);
  // The frames stay in the work; the message's own list of them is left with what memory the work had.
  Status TakeValues(Message* message, const Pending& pending);
  // Put floats in the place of encoded values.
  void DecodeRows(std::uint32_t shard, Work* work) const;
  void DecodeBlocks(std::uint32_t shard, Work* work) const;
  // Sends it what it has to know; `unanswered` are the headers of what it has not acknowledged in order, which comes
  // again.
  proto::Restarted Restart(std::uint32_t shard, const std::vector<proto::Header>& unanswered);
  std::string Describe(proto::Kind kind, std::uint32_t shard, std::uint64_t clock) const;

  Options options_;
  Mailbox* const mailbox_;
  const ParameterLayout* const layout_;
  Requester requester_;
  GradientEncoder encoder_;
  RowCaches caches_;
  std::vector<Peer> shards_;
  std::vector<std::uint64_t> sequence_;  // by shard: the last one used
  PushHistory history_;
  using PendingRequests = std::unordered_map<std::uint64_t, Pending>;
  PendingRequests pending_;                        // by request
  std::vector<PendingRequests::node_type> spare_;  // of requests that have been answered
  std::vector<Frame> keys_;                        // of the push at hand
};

}  // namespace sherd
