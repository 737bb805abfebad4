#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "net/mailbox.h"

namespace sherd {

// What goes wrong with a message that is sent, each with its own probability.
struct Faults {
  std::uint64_t seed = 1;
  double drop = 0;  // it never arrives
  double duplicate =
      0;             // it arrives, and a copy up to max_delay later, after younger messages: as a repeated request does
  double delay = 0;  // it, and with it those to the same peer behind it, is held for min_delay to max_delay
  double corrupt = 0;  // a bit of a frame is turned over behind the checksums; the receiver's check tells
  std::chrono::microseconds min_delay{0}, max_delay{5000};

  bool any() const { return drop > 0 || duplicate > 0 || delay > 0 || corrupt > 0; }
};

// A network whose mailboxes lose, repeat, hold and damage what they send. Which messages suffer follows from the seed,
// the order in which mailboxes are opened and the count of messages each has sent. Thread-safe; the wrapped network
// outlives it.
class ChaosNetwork : public Network {
 public:
  ChaosNetwork(Network* inner, Faults faults) : inner_(inner), faults_(faults) {}

  std::unique_ptr<Mailbox> Open() override;
  // Messages that suffered anything so far.
  std::uint64_t faults() const { return count_.load(); }

 private:
  Network* const inner_;
  const Faults faults_;
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace sherd
