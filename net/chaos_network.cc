#include "net/chaos_network.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "net/seal.h"

namespace sherd {
namespace {

enum Lane : std::uint64_t { kDrop, kDuplicate, kDelay, kCorrupt, kHold, kCopyHold, kFrame, kBit };

struct Held {
  Peer to;
  Message message;
};

class ChaosMailbox : public Mailbox {
 public:
  ChaosMailbox(std::unique_ptr<Mailbox> inner, Faults faults, std::uint64_t number, std::atomic<std::uint64_t>* count)
      : inner_(std::move(inner)), faults_(faults), number_(number), count_(count) {}
  ~ChaosMailbox() override { Release(Deadline::max()); }

  Status Bind(const std::string& endpoint) override { return inner_->Bind(endpoint); }
  const std::string& endpoint() const override { return inner_->endpoint(); }
  Result<Peer> Connect(const std::string& endpoint) override { return inner_->Connect(endpoint); }

  Status Send(const Peer& to, const Message& sent) override {
    Message message = sent;
    ++sent_;
    const Deadline now = Clock::now();
    Release(now);
    if (Happens(kDrop, faults_.drop)) return {};
    if (Happens(kCorrupt, faults_.corrupt)) Damage(&message);
    Deadline& last = last_[to];
    if (Happens(kDelay, faults_.delay)) last = std::max(last, now + Between(kHold, faults_.min_delay));
    if (Happens(kDuplicate, faults_.duplicate)) {
      held_.emplace(std::max(last, now) + Between(kCopyHold, {}), Held{to, message});
    }
    if (last <= now) return inner_->Send(to, std::move(message));
    held_.emplace(last, Held{to, std::move(message)});  // equal times keep their order
    return {};
  }

  std::optional<Envelope> Receive(Deadline deadline) override {
    while (true) {
      Release(Clock::now());
      const Deadline next = held_.empty() ? deadline : std::min(deadline, held_.begin()->first);
      if (std::optional<Envelope> envelope = inner_->Receive(next)) return envelope;
      if (woken_.exchange(false) || next == deadline) return std::nullopt;
    }
  }

  void Wake() override {
    woken_ = true;
    inner_->Wake();
  }
  std::uint64_t malformed() const override { return inner_->malformed(); }
  std::uint64_t bytes_sent() const override { return inner_->bytes_sent(); }
  std::uint64_t bytes_received() const override { return inner_->bytes_received(); }

 private:
  std::uint64_t Random(Lane lane) const { return Mix(faults_.seed, number_, sent_, lane); }
  bool Happens(Lane lane, double probability) {
    const bool happens = UnitDouble(Random(lane)) < probability;
    if (happens) count_->fetch_add(1);
    return happens;
  }
  std::chrono::microseconds Between(Lane lane, std::chrono::microseconds least) const {
    const auto span = static_cast<std::uint64_t>((faults_.max_delay - least).count()) + 1;
    return least + std::chrono::microseconds(Below(Random(lane), span));
  }

  // The checksums are of the bytes before the damage. A message without bytes behind its header is left alone.
  void Damage(Message* message) const {
    if (message->frames.empty()) return;
    Frame& frame = message->frames[Below(Random(kFrame), message->frames.size())];
    if (frame.size() == 0) return;
    FillChecksums(message);
    std::string bytes(reinterpret_cast<const char*>(frame.bytes().data()), frame.size());
    const std::uint64_t bit = Below(Random(kBit), 8 * bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    frame = Frame::Of(std::move(bytes));
  }

  // Sends what was held until now. What cannot be sent any more is one more lost message.
  void Release(Deadline now) {
    while (!held_.empty() && held_.begin()->first <= now) {
      Held held = std::move(held_.begin()->second);
      held_.erase(held_.begin());
      if (!inner_->Send(held.to, std::move(held.message)).ok()) count_->fetch_add(1);
    }
  }

  const std::unique_ptr<Mailbox> inner_;
  const Faults faults_;
  const std::uint64_t number_;
  std::atomic<std::uint64_t>* const count_;
  std::atomic<bool> woken_{false};
  std::uint64_t sent_ = 0;
  std::multimap<Deadline, Held> held_;
  std::map<Peer, Deadline> last_;  // no message to a peer leaves before the one ahead of it
};

}  // namespace

std::unique_ptr<Mailbox> ChaosNetwork::Open() {
  return std::make_unique<ChaosMailbox>(inner_->Open(), faults_, opened_.fetch_add(1), &count_);
}

}  // namespace sherd
