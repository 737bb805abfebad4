#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/mailbox.h"

namespace sherd {

struct RequesterOptions {
  std::chrono::milliseconds retry_after{5000};     // a request without an answer is sent again, unchanged
  std::chrono::milliseconds give_up_after{60000};  // and fails after this
};

// Requests that wait for their answers, over a mailbox that it shares with its owner. Every request is safe to repeat
// (pulls change nothing; what changes something carries a sequence number), so a lost message costs a retry and nothing
// else. Confined to the mailbox's thread.
class Requester {
 public:
  struct Reply {
    std::uint64_t request;
    Peer from;
    Message message;
  };

  // What was waited for and from whom, for an error: "pull of clock 17 from shard 2 (server 1 at tcp://…)".
  using Describe = std::function<std::string(const proto::Header& request)>;

  Requester(Mailbox* mailbox, RequesterOptions options, Describe describe = nullptr)
      : mailbox_(mailbox), options_(options), describe_(std::move(describe)) {}

  // Sends `message` (its header's request number is filled in and returned). `what` is its description; where it is
  // empty, describe makes one if it is needed. The message goes back to the mailbox's pool when it is answered.
  std::uint64_t Send(const Peer& to, Message message, std::string what = {});
  // Is this the answer to a request that still waits? Then it is taken off the list; an answer that asks to try again
  // (UNAVAILABLE, OUT_OF_ORDER, MAP_CHANGED) leaves it there, to be sent again soon, and returns nothing.
  std::optional<Reply> Match(Envelope envelope);
  // The request that `answer` is to, if it still waits, for an owner that would rather send another one: null if not.
  const Message* Find(const Envelope& answer) const;
  // Sends `message` in place of a request that Find has found, under its number, now.
  void Replace(std::uint64_t request, Message message);
  // What waits for an answer of `from` waits for one of `to` from now on, to which it is sent by Tick. `change` makes
  // each header what it is to be there.
  void Redirect(const Peer& from, const Peer& to, const std::function<void(proto::Header*)>& change);
  // Nobody waits any more for what this peer has not answered.
  void Forget(const Peer& peer);
  // Sends again what is due, oldest first. Unavailable, naming who did not answer, once a request has waited too long
  // (it is off the list then); Invalid when one can never be sent.
  Status Tick();
  // When Tick is due next.
  Deadline next_tick() const;
  std::size_t waiting() const { return waiting_.size(); }

  // Send, then receive until the answer is there. Envelopes of others that arrive meanwhile are dropped: for owners
  // that use the mailbox for nothing else. An answer that is not OK is an error with its text. A Wake does not end it,
  // but is kept for the owner's next Receive.
  Result<Message> Call(const Peer& to, Message message, std::string what);

 private:
  struct Waiting {
    Peer to;
    Message message;
    std::string what;
    Deadline first_sent, due;  // due: to be sent again
    Status trouble;            // the last there was: in sending it, or what the peer answered instead of an answer
    bool refused = false;      // since it was last sent
  };

  using Requests = std::map<std::uint64_t, Waiting>;  // by request number, that is by age

  // A waiting request, in memory that is used again.
  Waiting& Add(std::uint64_t request);
  void Drop(Requests::iterator waiting);
  std::string What(const Waiting& waiting) const;
  void SendNow(Waiting* waiting);
  void Hasten(const Waiting& refused, const proto::Header& reply);
  void HastenBehind(const Waiting& taken);
  Status GivenUp(const Waiting& waiting) const;

  Mailbox* const mailbox_;
  const RequesterOptions options_;
  const Describe describe_;
  std::uint64_t last_request_ = 0;
  Requests waiting_;
  std::vector<Requests::node_type> spare_;  // of requests that have been answered
};

// The error that an answer's code and text stand for; success for OK.
Status StatusOf(const proto::Header& reply);

}  // namespace sherd
