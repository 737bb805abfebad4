#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/mailbox.h"
#include "proto/checkpoint.pb.h"
#include "proto/wire.pb.h"
#include "ps/clock_table.h"

namespace sherd {

// Where a shard is with the newest cut that it was told of: which workers have marked, what came of it, and who waits
// to hear: first it is open and waits for marks, then it is being written. Thread-compatible.
class Cut {
 public:
  // A new cut. One that was open, or is being written, is abandoned.
  void Open(proto::OpenCut plan);
  // It will not be finished, if it is not yet.
  void Abandon();
  // A mark of another cut than the open one means nothing.
  void Mark(std::uint32_t number, std::uint32_t worker);
  // All marks are in: nobody is held any more.
  void StartWriting();
  void Finish(Result<proto::ShardFile> file);

  const proto::OpenCut& plan() const { return plan_; }
  std::uint32_t number() const { return plan_.cut(); }  // 0: there was none yet
  bool open() const { return open_; }
  // Has the worker marked the open cut? Then its later pushes wait.
  bool Holds(std::uint32_t worker) const { return open_ && marked_.contains(worker); }
  // All marks are in that will be.
  bool Complete(const ClockTable& clocks) const {
    return open_ && clocks.AllUnretired([&](std::uint32_t worker) { return marked_.contains(worker); });
  }

  // Keeps a request that asks for the file, unless it is there already (a repeated one).
  void Await(Envelope request);
  // The answer to who asks for the file of a cut; nothing while it is open.
  std::optional<Message> Answer(const proto::Header& request, std::uint32_t number) const;
  // Answers to all that waited, once the cut is no longer open.
  void AnswerWaiting(std::vector<Envelope>* replies);

 private:
  struct Waiting {
    Envelope request;
    std::uint32_t number;
  };

  proto::OpenCut plan_;
  bool open_ = false, writing_ = false;
  std::set<std::uint32_t> marked_;
  std::optional<Result<proto::ShardFile>> result_;  // absent: not over, or abandoned
  std::vector<Waiting> waiting_;
};

}  // namespace sherd
