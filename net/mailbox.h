#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "net/message.h"

namespace sherd {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// Opaque name of the other end of a connection, valid within one mailbox. One that connected to us is known from its
// first message on.
using Peer = std::string;

struct Envelope {
  Peer from;
  Message message;
};

// The one door between a thread and the network: it may be bound to an address that others connect to, and connected to
// any number of peers. Messages between two ends arrive in order or not at all. Confined to one thread, but for Wake().
class Mailbox {
 public:
  virtual ~Mailbox() = default;

  // Listens at an endpoint: "inproc://name", "ipc:///path", "tcp://address:*" (any free port). At most once a mailbox.
  virtual Status Bind(const std::string& endpoint) = 0;
  // Where others reach this mailbox: the endpoint given to Bind, with the port filled in.
  virtual const std::string& endpoint() const = 0;
  // Returns at once; the peer need not be there yet.
  virtual Result<Peer> Connect(const std::string& endpoint) = 0;

  // Queues the message; never blocks. Unavailable: the peer is gone, or its queue is full.
  virtual Status Send(const Peer& to, const Message& message) = 0;
  // The next message whose header is well-formed and of this job, or nothing at the deadline or when woken. Malformed
  // ones are answered with INVALID where they have an answerable header, counted and dropped.
  virtual std::optional<Envelope> Receive(Deadline deadline) = 0;
  // Makes a Receive that is waiting, or the next one, return at once. Thread-safe.
  virtual void Wake() = 0;

  // Messages to be filled again, so that sending and receiving them takes no memory: who is done with one gives it
  // back.
  MessagePool& pool() { return pool_; }

  virtual std::uint64_t malformed() const = 0;
  // Bytes of all frames sent and received so far.
  virtual std::uint64_t bytes_sent() const = 0;
  virtual std::uint64_t bytes_received() const = 0;

 private:
  MessagePool pool_;
};

// A kind of transport. Thread-safe; outlives its mailboxes.
class Network {
 public:
  virtual ~Network() = default;
  virtual std::unique_ptr<Mailbox> Open() = 0;
};

}  // namespace sherd
