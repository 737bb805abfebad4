#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "net/mailbox.h"

namespace sherd {

// What a primary has done and its follower has yet to do: each operation under its number, from 1, until the follower
// has it, and the answers that may not be given before (docs/fault_tolerance.md). Thread-compatible.
class OperationLog {
 public:
  // A follower that begins where we are now: the next operation is number 1 for it. `map_epoch`, of the
  // map by which that is so, is greater than that of any log before: operations and acknowledgements carry it, so that
  // what comes late of another log is known.
  void Begin(Peer follower, std::uint32_t map_epoch);
  // The same, of one that has nothing yet: operations are kept, but for the first one after SendFirst, until Release;
  // and answers wait for it from Gate on.
  void BeginLater(Peer follower, std::uint32_t map_epoch);
  void SendFirst(std::vector<Envelope>* out);
  void Release(std::vector<Envelope>* out);
  bool released() const { return released_; }
  void Gate() { gates_ = true; }
  // There is none any more: nobody waits for it. Returns the answers that did.
  std::vector<Envelope> End();

  bool replicates() const { return !follower_.empty(); }
  std::uint64_t bytes() const { return bytes_; }  // of the frames that are kept
  const Peer& follower() const { return follower_; }
  std::uint32_t map_epoch() const { return map_epoch_; }  // of the last log, should it be over; 0: there was none
  bool all_acknowledged() const { return waiting_.empty(); }
  // Is the oldest of them one that takes as long as there are bytes to be read?
  bool loading() const { return !waiting_.empty() && waiting_.front().header.operation() == proto::LOAD; }

  // A request that has been done. What is to be sent for it goes to `out`. Its frames are shared, not copied.
  void Append(const Message& request, std::vector<Envelope>* out);
  // An answer to what has been done so far: to `out`, or kept until the follower has all of that.
  void Answer(Envelope answer, std::vector<Envelope>* out);
  // The follower has all operations up to this one. Answers that waited for that go to `out`.
  void Acknowledge(std::uint64_t number, std::vector<Envelope>* out);
  // It could not do this one, which it counts as done all the same (a LOAD): answers that wait for it are to say so.
  void Fail(std::uint64_t number, const std::string& why);

  // The follower has got a later operation than the one after this: what is missing is sent again.
  void Gap(std::uint64_t last, std::vector<Envelope>* out);
  // Called again and again, with time between: sends again what has not moved since the last time.
  void Repeat(std::vector<Envelope>* out);

 private:
  struct Held {
    std::uint64_t number;  // the last operation that it waits for
    Envelope answer;
  };

  void Resend(std::uint64_t number, std::vector<Envelope>* out);

  Peer follower_;
  bool first_sent_ = false, released_ = true, gates_ = true;
  std::uint64_t bytes_ = 0;
  std::uint32_t map_epoch_ = 0;
  std::uint64_t last_ = 0;         // number of the newest operation
  std::deque<Message> waiting_;    // the newest of them, that the follower has not acknowledged
  std::deque<Held> held_;          // by ascending number
  std::uint64_t looked_at_ = 0;    // by Repeat: the oldest that waited then
  std::uint64_t resent_from_ = 0;  // for a gap; each operation behind it tells of the same one
};

}  // namespace sherd
