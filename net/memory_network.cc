#include "net/memory_network.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ring.h"
#include "net/seal.h"

namespace sherd {
namespace {

constexpr char kPrefix[] = "inproc://";

// A message on its way: as on a wire, the header in bytes.
struct Parcel {
  Peer from;  // as the receiver names the sender
  std::string header;
  std::vector<Frame> frames;
};

struct Inbox {
  Ring<Parcel> parcels;
  std::condition_variable arrived;
  bool woken = false;
};

}  // namespace

// Who is bound where, who is connected to what, and all queues: under one mutex.
class MemoryNetwork::Hub {
 public:
  explicit Hub(MemoryOptions options) : options(options), rules{options.job, options.max_frame_bytes} {}

  Status Bind(const std::string& endpoint, std::shared_ptr<Inbox> inbox) {
    const std::lock_guard lock(mutex_);
    Place& place = places_[endpoint];
    if (place.inbox) return Status::Invalid("listen at " + endpoint + ": address already in use");
    while (!place.early.empty()) inbox->parcels.push_back(place.early.pop_front());
    place.inbox = std::move(inbox);
    return {};
  }

  std::uint64_t Connect(const std::string& endpoint, std::shared_ptr<Inbox> client, std::size_t connection) {
    const std::lock_guard lock(mutex_);
    links_[++last_link_] = {endpoint, std::move(client), "c" + std::to_string(connection)};
    return last_link_;
  }

  // A mailbox ends: what others sent it is lost.
  void Close(const std::string& endpoint, const std::vector<std::uint64_t>& links) {
    const std::lock_guard lock(mutex_);
    if (!endpoint.empty()) places_[endpoint].inbox = nullptr;
    for (const std::uint64_t link : links) links_.erase(link);
  }

  // From the end of a link that connected to the end that is bound, now or later.
  bool SendForth(std::uint64_t link, Parcel parcel) {
    const std::lock_guard lock(mutex_);
    Place& place = places_[links_.at(link).endpoint];
    parcel.from = "r" + std::to_string(link);
    if (place.inbox) return Put(place.inbox.get(), std::move(parcel));
    if (place.early.size() >= options.queue_messages) return false;
    place.early.push_back(std::move(parcel));
    return true;
  }

  bool SendBack(std::uint64_t link, Parcel parcel) {
    const std::lock_guard lock(mutex_);
    const auto found = links_.find(link);
    if (found == links_.end()) return false;
    parcel.from = found->second.connection;
    return Put(found->second.client.get(), std::move(parcel));
  }

  std::optional<Parcel> Receive(Inbox* inbox, Deadline deadline) {
    std::unique_lock lock(mutex_);
    const auto done = [&] { return inbox->woken || !inbox->parcels.empty(); };
    if (deadline == Deadline::max()) {
      inbox->arrived.wait(lock, done);
    } else {
      inbox->arrived.wait_until(lock, deadline, done);
    }
    if (std::exchange(inbox->woken, false) || inbox->parcels.empty()) return std::nullopt;
    return inbox->parcels.pop_front();
  }

  // An empty parcel, with the memory of one that was given back.
  Parcel Take() {
    const std::lock_guard lock(mutex_);
    if (spare_.empty()) return {};
    Parcel parcel = std::move(spare_.back());
    spare_.pop_back();
    return parcel;
  }
  void GiveBack(Parcel parcel) {
    parcel.frames.clear();
    const std::lock_guard lock(mutex_);
    if (spare_.size() < kMostSpare) spare_.push_back(std::move(parcel));
  }

  void Wake(Inbox* inbox) {
    const std::lock_guard lock(mutex_);
    inbox->woken = true;
    inbox->arrived.notify_all();
  }

  const MemoryOptions options;
  const WireRules rules;

 private:
  struct Place {
    std::shared_ptr<Inbox> inbox;  // null: nobody is bound here
    Ring<Parcel> early;            // sent before somebody was
  };
  struct Link {
    std::string endpoint;
    std::shared_ptr<Inbox> client;
    Peer connection;  // as the client names the bound end
  };

  bool Put(Inbox* inbox, Parcel parcel) const {
    if (inbox->parcels.size() >= options.queue_messages) return false;
    inbox->parcels.push_back(std::move(parcel));
    inbox->arrived.notify_one();
    return true;
  }

  static constexpr std::size_t kMostSpare = 256;

  std::mutex mutex_;
  std::vector<Parcel> spare_;
  std::map<std::string, Place> places_;
  std::map<std::uint64_t, Link> links_;
  std::uint64_t last_link_ = 0;
};

class MemoryNetwork::MemoryMailbox : public Mailbox {
 public:
  explicit MemoryMailbox(Hub* hub) : hub_(hub), inbox_(std::make_shared<Inbox>()) {}
  ~MemoryMailbox() override { hub_->Close(endpoint_, links_); }

  Status Bind(const std::string& endpoint) override {
    CHECK(endpoint_.empty()) << "bound to " << endpoint_ << " already";
    RETURN_IF_ERROR(CheckEndpoint(endpoint));
    RETURN_IF_ERROR(hub_->Bind(endpoint, inbox_));
    endpoint_ = endpoint;
    return {};
  }

  const std::string& endpoint() const override { return endpoint_; }

  Result<Peer> Connect(const std::string& endpoint) override {
    RETURN_IF_ERROR(CheckEndpoint(endpoint));
    links_.push_back(hub_->Connect(endpoint, inbox_, links_.size()));
    return "c" + std::to_string(links_.size() - 1);
  }

  Status Send(const Peer& to, const Message& message) override {
    CHECK(!to.empty()) << "no such peer";
    ASSIGN_OR_RETURN(const std::string_view header, sealer_.Seal(hub_->rules, Checksums::kNone, message));
    std::uint64_t bytes = header.size();
    for (const Frame& frame : message.frames) bytes += frame.size();
    const std::uint64_t number = std::stoull(to.substr(1));
    Parcel parcel = hub_->Take();
    parcel.header = header;
    parcel.frames.assign(message.frames.begin(), message.frames.end());
    const bool sent = to[0] == 'c' ? hub_->SendForth(links_.at(number), std::move(parcel))
                                   : hub_->SendBack(number, std::move(parcel));
    if (!sent)
      return Status::Unavailable("send " + KindName(message.header.kind()) + " to " + to +
                                 ": its queue is full, or it is gone");
    bytes_sent_ += bytes;
    return {};
  }

  std::optional<Envelope> Receive(Deadline deadline) override {
    while (std::optional<Parcel> parcel = hub_->Receive(inbox_.get(), deadline)) {
      bytes_received_ += parcel->header.size();
      for (const Frame& frame : parcel->frames) bytes_received_ += frame.size();
      Message message = pool().Take();
      std::swap(message.frames, parcel->frames);
      const Opened opened =
          sherd::Open(hub_->rules, Checksums::kNone, std::as_bytes(std::span(parcel->header)), &message);
      Peer from = parcel->from;
      hub_->GiveBack(std::move(*parcel));
      if (opened.good) return Envelope{std::move(from), std::move(message)};
      ++malformed_;
      if (opened.refusal) {
        const Status status = Send(from, *opened.refusal);
        LOG_IF_EVERY_N(WARNING, !status.ok(), 100) << "refuse a malformed message: " << status.text();
      }
    }
    return std::nullopt;
  }

  void Wake() override { hub_->Wake(inbox_.get()); }

  std::uint64_t malformed() const override { return malformed_; }
  std::uint64_t bytes_sent() const override { return bytes_sent_; }
  std::uint64_t bytes_received() const override { return bytes_received_; }

 private:
  static Status CheckEndpoint(const std::string& endpoint) {
    if (endpoint.starts_with(kPrefix)) return {};
    return Status::Invalid("endpoint '" + endpoint + "' does not begin with inproc://");
  }

  Hub* const hub_;
  const std::shared_ptr<Inbox> inbox_;
  Sealer sealer_;
  std::string endpoint_;
  std::vector<std::uint64_t> links_;
  std::uint64_t malformed_ = 0, bytes_sent_ = 0, bytes_received_ = 0;
};

MemoryNetwork::MemoryNetwork(MemoryOptions options) : hub_(std::make_unique<Hub>(options)) {}
MemoryNetwork::~MemoryNetwork() = default;

std::unique_ptr<Mailbox> MemoryNetwork::Open() { return std::make_unique<MemoryMailbox>(hub_.get()); }

}  // namespace sherd
