#include "net/zmq_network.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/block_shelf.h"
#include "base/freed_memory.h"
#include "net/lent_frame.h"
#include "net/seal.h"
#include "net/transport.h"

#ifndef ZMQ_ZERO_COPY_RECV
#define ZMQ_ZERO_COPY_RECV 10  // zmq.h hides it among the drafts; the library has it since 4.3.0
#endif

namespace sherd {
namespace {

constexpr char kZapEndpoint[] = "inproc://zeromq.zap.01";  // fixed by RFC 27
constexpr char kZapDomain[] = "sherd";
constexpr int kZ85Length = 40;
constexpr int kHandshakeMilliseconds = 10000;
constexpr std::size_t kCurveBytes = 64;  // more than CURVE adds to a frame: 33 in RFC 26
constexpr std::size_t kCopyBelow = 512;  // bytes of a frame that are cheaper to copy than to hand over
constexpr int kBurst = 16;               // messages taken from one socket before the others are looked at

Status ZmqError(std::string doing) { return {ErrorCode::kIo, std::move(doing) + ": " + zmq_strerror(errno)}; }

// That each is a key, whether it fits the others or not.
Status CheckForm(const CurveKeys& keys) {
  std::array<std::uint8_t, 32> decoded;
  for (const std::string* key : {&keys.server_public, &keys.server_secret, &keys.client_public, &keys.client_secret}) {
    const bool good = key->size() == kZ85Length && zmq_z85_decode(decoded.data(), key->c_str()) != nullptr;
    explicit_bzero(decoded.data(), decoded.size());
    if (!good) return Status::Invalid("a CURVE key is not 40 characters of Z85");
  }
  return {};
}

// One received part; frames of it keep it alive. libzmq may hold the bytes inside zmq_msg_t, so it never moves.
class Part {
 public:
  Part() { zmq_msg_init(&message_); }
  ~Part() { zmq_msg_close(&message_); }
  Part(const Part&) = delete;

  bool Receive(void* socket, int flags) {
    int result;
    do {
      result = zmq_msg_recv(&message_, socket, flags);
    } while (result < 0 && errno == EINTR);
    return result >= 0;
  }
  bool more() const { return zmq_msg_more(&message_) != 0; }
  std::span<const std::byte> bytes() {
    return {static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }
  std::string text() {
    const auto view = bytes();
    return std::string(reinterpret_cast<const char*>(view.data()), view.size());
  }

 private:
  zmq_msg_t message_;
};

Frame FrameOf(std::shared_ptr<Part> part) {
  const auto bytes = part->bytes();
  if (bytes.empty()) return Frame();
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0) return Frame(bytes, std::move(part));
  auto copy = std::make_shared<AlignedBuffer<std::byte>>(bytes.size());
  std::memcpy(copy->data(), bytes.data(), bytes.size());
  return Frame(copy->span(), copy);
}

// For SendParts, which copies it: the bytes are someone's who does not wait for libzmq.
Frame Passing(std::string_view bytes) { return Frame(std::as_bytes(std::span(bytes)), nullptr); }

// A large frame's memory goes to libzmq as it is; its I/O thread, or the receiver over inproc, lets go of it.
void FillPart(const Frame& frame, const std::shared_ptr<BlockShelf>& lent, zmq_msg_t* part) {
  const auto bytes = frame.bytes();
  if (bytes.size() < kCopyBelow || !frame.owned()) {
    CHECK_EQ(zmq_msg_init_size(part, bytes.size()), 0) << zmq_strerror(errno);
    if (!bytes.empty()) std::memcpy(zmq_msg_data(part), bytes.data(), bytes.size());
    return;
  }
  auto* data = const_cast<std::byte*>(bytes.data());  // libzmq only reads it
  CHECK_EQ(zmq_msg_init_data(part, data, bytes.size(), GiveBackFrame, LendFrame(frame, lent)), 0)
      << zmq_strerror(errno);
}

// All parts or none; 0 or an errno.
int SendParts(void* socket, const std::shared_ptr<BlockShelf>& lent, std::span<const Frame> parts) {
  int error = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    zmq_msg_t part;
    FillPart(parts[i], lent, &part);
    const int flags = ZMQ_DONTWAIT | (i + 1 < parts.size() ? ZMQ_SNDMORE : 0);
    int result;
    do {
      result = zmq_msg_send(&part, socket, flags);
    } while (result < 0 && errno == EINTR);
    if (result >= 0) continue;
    error = errno;
    zmq_msg_close(&part);
    // A connection that ends in the middle of a message: libzmq forgets the parts it has and drops those to come up to
    // the last, so they must be given to it, or the next message would lose its head.
    if (i == 0) return error;
  }
  return error;
}

}  // namespace

// What the mailboxes of a network share: libzmq's context, and the thread that admits connections.
class ZmqContext {
 public:
  explicit ZmqContext(ZmqOptions options)
      : options(std::move(options)), rules{this->options.job, this->options.max_frame_bytes}, context_(zmq_ctx_new()) {}

  // Sockets that are closed but have something queued go on until their linger is over; zmq_ctx_term waits for them.
  ~ZmqContext() {
    zmq_ctx_shutdown(context_);
    if (door_.joinable()) door_.join();
    while (zmq_ctx_term(context_) != 0 && errno == EINTR) {
    }
  }

  Status Start() {
    CHECK_EQ(zmq_ctx_set(context_, ZMQ_ZERO_COPY_RECV, 0), 0);  // else frames of small messages come unaligned
    CHECK_EQ(zmq_ctx_set(context_, ZMQ_IO_THREADS, options.io_threads), 0);
    CHECK_EQ(zmq_ctx_set(context_, ZMQ_MAX_SOCKETS, 16384), 0);
    return options.keys ? OpenDoor() : Status();
  }

  // A socket with the limits and, on tcp, the keys that all of the job's sockets have.
  Result<void*> MakeSocket(int type, Transport transport) {
    void* socket = zmq_socket(context_, type);
    if (socket == nullptr) return ZmqError("open a ZeroMQ socket");
    const auto set = [&](int option, auto value) {
      CHECK_EQ(zmq_setsockopt(socket, option, &value, sizeof(value)), 0) << option << ": " << zmq_strerror(errno);
    };
    set(ZMQ_LINGER, static_cast<int>(options.linger.count()));
    set(ZMQ_SNDHWM, options.queue_messages);
    set(ZMQ_RCVHWM, options.queue_messages);
    const bool encrypted = transport == Transport::kTcp && options.keys;
    const std::size_t most = std::max(options.max_frame_bytes, kMaxHeaderBytes) + (encrypted ? kCurveBytes : 0);
    set(ZMQ_MAXMSGSIZE, static_cast<std::int64_t>(most));
    set(ZMQ_HANDSHAKE_IVL, kHandshakeMilliseconds);
    set(ZMQ_RECONNECT_IVL, 100);
    set(ZMQ_RECONNECT_IVL_MAX, 2000);
    set(ZMQ_TCP_KEEPALIVE, 1);
    set(ZMQ_BACKLOG, 1024);
    if (type == ZMQ_ROUTER) set(ZMQ_ROUTER_MANDATORY, 1);
    if (encrypted) SetKeys(socket, type == ZMQ_ROUTER);
    return socket;
  }

  const ZmqOptions options;
  const WireRules rules;
  std::atomic<std::uint64_t> refused_connections{0}, malformed{0};
  const std::shared_ptr<BlockShelf> lent_frames = std::make_shared<BlockShelf>();
  const std::shared_ptr<BlockShelf> received_parts = std::make_shared<BlockShelf>();

 private:
  void SetKeys(void* socket, bool server) const {
    const CurveKeys& keys = *options.keys;
    const auto set = [&](int option, const std::string& key) {
      CHECK_EQ(zmq_setsockopt(socket, option, key.c_str(), key.size() + 1), 0) << zmq_strerror(errno);
    };
    if (server) {
      const int on = 1;
      CHECK_EQ(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof(on)), 0);
      CHECK_EQ(zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, kZapDomain, sizeof(kZapDomain) - 1), 0);
      set(ZMQ_CURVE_SECRETKEY, keys.server_secret);
    } else {
      set(ZMQ_CURVE_SERVERKEY, keys.server_public);
      set(ZMQ_CURVE_PUBLICKEY, keys.client_public);
      set(ZMQ_CURVE_SECRETKEY, keys.client_secret);
    }
  }

  Status OpenDoor() {
    RETURN_IF_ERROR(CheckForm(*options.keys));
    std::array<std::uint8_t, 32> decoded;
    zmq_z85_decode(decoded.data(), options.keys->client_public.c_str());
    admitted_.assign(decoded.begin(), decoded.end());
    void* socket = zmq_socket(context_, ZMQ_REP);
    if (socket == nullptr) return ZmqError("open the socket that admits connections");
    CHECK_EQ(zmq_bind(socket, kZapEndpoint), 0) << zmq_strerror(errno);
    door_ = std::thread([this, socket] { KeepDoor(socket); });
    return {};
  }

  // The ZeroMQ Authentication Protocol (RFC 27): libzmq asks about each new connection to a socket with keys; only the
  // job's client key is admitted. Ends with the context. Signals are for the threads that handle them.
  void KeepDoor(void* socket) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::vector<std::string> request;
    while (ReceiveTexts(socket, &request)) {
      // version, request id, domain, address, identity, mechanism, credentials
      const bool admit = request.size() == 7 && request[0] == "1.0" && request[2] == kZapDomain &&
                         request[5] == "CURVE" && request[6] == admitted_;
      if (!admit) {
        refused_connections.fetch_add(1);
        LOG_EVERY_N(WARNING, 100) << "refused a connection from "
                                  << (request.size() > 3 ? request[3] : "an unknown address")
                                  << ": it has not the job's client key";
      }
      const std::string id = request.size() > 1 ? request[1] : "";
      const std::array<Frame, 6> reply = {
          Frame::Of("1.0"), Frame::Of(id), Frame::Of(admit ? "200" : "400"), Frame::Of(admit ? "OK" : "refused"),
          Frame(),          Frame()};
      SendParts(socket, lent_frames, reply);
    }
    zmq_close(socket);
  }

  static bool ReceiveTexts(void* socket, std::vector<std::string>* texts) {
    texts->clear();
    while (true) {
      Part part;
      if (!part.Receive(socket, 0)) return false;
      texts->push_back(part.text());
      if (!part.more()) return true;
    }
  }

  void* const context_;
  std::string admitted_;  // the client's public key, 32 bytes
  std::thread door_;
};

namespace {

// Peers are named "c" and the number of one of our connections, or "r" and the routing id that the ROUTER gave to one
// of those who connected to us.
class ZmqMailbox : public Mailbox {
 public:
  explicit ZmqMailbox(ZmqContext* context) : context_(context), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    items_.push_back({nullptr, wake_, ZMQ_POLLIN, 0});
  }
  ~ZmqMailbox() override {
    for (const Link& link : links_) zmq_close(link.socket);
    if (wake_ >= 0) close(wake_);
  }

  Status Bind(const std::string& endpoint) override {
    CHECK_LT(bound_, 0) << "bound to " << endpoint_ << " already";
    ASSIGN_OR_RETURN(void* socket, AddSocket(ZMQ_ROUTER, endpoint));
    if (zmq_bind(socket, endpoint.c_str()) != 0) {
      const Status status = ZmqError("listen at " + endpoint);
      RemoveLastSocket();
      return status;
    }
    std::array<char, 1024> name;
    std::size_t length = name.size();
    CHECK_EQ(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, name.data(), &length), 0);
    endpoint_ = name.data();
    bound_ = static_cast<int>(links_.size()) - 1;
    return {};
  }

  const std::string& endpoint() const override { return endpoint_; }

  Result<Peer> Connect(const std::string& endpoint) override {
    ASSIGN_OR_RETURN(void* socket, AddSocket(ZMQ_DEALER, endpoint));
    if (zmq_connect(socket, endpoint.c_str()) != 0) {
      const Status status = ZmqError("connect to " + endpoint);
      RemoveLastSocket();
      return status;
    }
    return "c" + std::to_string(links_.size() - 1);
  }

  Status Send(const Peer& to, const Message& message) override {
    const Link& link = LinkOf(to);
    ASSIGN_OR_RETURN(const std::string_view header,
                     sealer_.Seal(context_->rules, ChecksumsOf(link.transport), message));
    parts_.clear();
    if (to[0] == 'r') parts_.push_back(Passing(std::string_view(to).substr(1)));
    const std::size_t first = parts_.size();
    parts_.push_back(Passing(header));
    for (const Frame& frame : message.frames) parts_.push_back(frame);
    const int error = SendParts(link.socket, context_->lent_frames, parts_);
    if (error == 0) {
      for (std::size_t i = first; i < parts_.size(); ++i) bytes_sent_ += parts_[i].size();
    }
    parts_.clear();
    if (error == 0) return {};
    const std::string kind = KindName(message.header.kind());
    const std::string peer = to[0] == 'r' ? "a peer of " + endpoint_ : link.endpoint;
    if (error == EAGAIN)
      return Status::Unavailable("send " + kind + " to " + peer + ": its queue is full, or it is gone");
    if (error == EHOSTUNREACH) return Status::Unavailable("send " + kind + " to " + peer + ": it is gone");
    return Status::Unavailable("send " + kind + " to " + peer + ": " + zmq_strerror(error));
  }

  std::optional<Envelope> Receive(Deadline deadline) override {
    while (true) {
      while (!ready_.empty()) {
        auto& [index, left] = ready_.front();
        Taken taken = Take(index);
        if (taken.envelope) {
          if (--left == 0) ready_.pop_front();
          return std::move(taken.envelope);
        }
        if (taken.any && Clock::now() >= deadline) return std::nullopt;  // a flood of malformed messages
        if (!taken.any || --left == 0) ready_.pop_front();
      }
      if (!Poll(deadline)) return std::nullopt;
    }
  }

  void Wake() override {
    const int error = errno;  // a signal handler may call this
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
    errno = error;
  }

  std::uint64_t malformed() const override { return malformed_; }
  std::uint64_t bytes_sent() const override { return bytes_sent_; }
  std::uint64_t bytes_received() const override { return bytes_received_; }

 private:
  struct Link {
    void* socket;
    Transport transport;
    std::string endpoint;
  };
  struct Ready {
    std::size_t link;
    int left;  // messages it may still give before the others are looked at
  };
  struct Taken {
    bool any = false;  // there was a message, good or bad
    std::optional<Envelope> envelope;
  };

  Result<void*> AddSocket(int type, const std::string& endpoint) {
    if (wake_ < 0) return Status::Invalid("this process has no file descriptors left (ulimit -n)");
    ASSIGN_OR_RETURN(const Transport transport, TransportOf(endpoint));
    ASSIGN_OR_RETURN(void* socket, context_->MakeSocket(type, transport));
    links_.push_back({socket, transport, endpoint});
    items_.push_back({socket, 0, ZMQ_POLLIN, 0});
    return socket;
  }

  void RemoveLastSocket() {
    zmq_close(links_.back().socket);
    links_.pop_back();
    items_.pop_back();
  }

  const Link& LinkOf(const Peer& peer) const {
    CHECK(!peer.empty()) << "no such peer";
    if (peer[0] == 'c') return links_.at(std::stoul(peer.substr(1)));
    CHECK_GE(bound_, 0) << "no such peer";
    return links_[static_cast<std::size_t>(bound_)];
  }

  // Waits for a readable socket, and notes all that are. False: woken, or the deadline has passed with none.
  bool Poll(Deadline deadline) {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      const int result =
          zmq_poll(items_.data(), static_cast<int>(items_.size()), std::clamp<long>(left, 0, 3600 * 1000));
      if (result < 0 && errno == EINTR) continue;
      CHECK_GE(result, 0) << zmq_strerror(errno);
      for (std::size_t i = 1; i < items_.size(); ++i) {
        if (items_[i].revents & ZMQ_POLLIN) ready_.push_back({i - 1, kBurst});
      }
      if (items_[0].revents & ZMQ_POLLIN) {
        std::uint64_t count;
        [[maybe_unused]] const ssize_t n = read(wake_, &count, sizeof(count));
        return false;
      }
      if (!ready_.empty()) return true;
      if (Clock::now() >= deadline) return false;
    }
  }

  // The next message of a socket. Its parts are there together or not at all.
  Taken Take(std::size_t index) {
    void* socket = links_[index].socket;
    const std::size_t addresses = static_cast<int>(index) == bound_ ? 1 : 0;
    std::vector<std::shared_ptr<Part>>& parts = received_;
    parts.clear();
    bool too_many = false, more = true;
    while (more) {
      auto part = std::allocate_shared<Part>(ShelfAllocator<Part>(context_->received_parts));
      if (!part->Receive(socket, ZMQ_DONTWAIT)) {
        if (errno != EAGAIN) LOG(ERROR) << "receive at " << links_[index].endpoint << ": " << zmq_strerror(errno);
        if (parts.empty()) return {};
        break;
      }
      more = part->more();
      if (parts.size() >= addresses) bytes_received_ += part->bytes().size();
      too_many |= parts.size() > kMaxFrames + addresses;
      if (!too_many) parts.push_back(std::move(part));
    }
    if (too_many || parts.size() <= addresses) {
      CountMalformed();
      return {.any = true, .envelope = std::nullopt};
    }
    return Unpack(index, addresses == 1 ? "r" + parts[0]->text() : "c" + std::to_string(index),
                  std::span(parts).subspan(addresses));
  }

  Taken Unpack(std::size_t index, Peer from, std::span<std::shared_ptr<Part>> parts) {
    Message message = pool().Take();
    for (auto& part : parts.subspan(1)) message.frames.push_back(FrameOf(std::move(part)));
    Opened opened = sherd::Open(context_->rules, ChecksumsOf(links_[index].transport), parts[0]->bytes(), &message);
    if (opened.good) return {.any = true, .envelope = Envelope{std::move(from), std::move(message)}};
    pool().Put(std::move(message));
    CountMalformed();
    if (opened.refusal) {
      const Status status = Send(from, *opened.refusal);
      LOG_IF_EVERY_N(WARNING, !status.ok(), 100) << "refuse a malformed message: " << status.text();
    }
    return {.any = true, .envelope = std::nullopt};
  }

  void CountMalformed() {
    ++malformed_;
    context_->malformed.fetch_add(1, std::memory_order_relaxed);
  }

  ZmqContext* const context_;
  const int wake_;
  std::vector<Link> links_;
  std::vector<zmq_pollitem_t> items_;  // the wake descriptor, then one a link
  int bound_ = -1;                     // the link that listens
  std::string endpoint_;
  std::deque<Ready> ready_;
  Sealer sealer_;
  std::vector<Frame> parts_;                     // of the message being sent
  std::vector<std::shared_ptr<Part>> received_;  // of the message being received
  std::uint64_t malformed_ = 0, bytes_sent_ = 0, bytes_received_ = 0;
};

}  // namespace

CurveKeys MakeCurveKeys() {
  CurveKeys keys;
  const auto fill = [](std::string* public_key, std::string* secret_key) {
    public_key->resize(kZ85Length);  // libzmq writes a terminator over the string's own
    secret_key->resize(kZ85Length);
    CHECK_EQ(zmq_curve_keypair(public_key->data(), secret_key->data()), 0) << "libzmq was built without CURVE";
  };
  fill(&keys.server_public, &keys.server_secret);
  fill(&keys.client_public, &keys.client_secret);
  return keys;
}

Status CheckCurveKeys(const CurveKeys& keys) {
  RETURN_IF_ERROR(CheckForm(keys));
  const auto fits = [](const std::string& public_key, const std::string& secret_key) {
    std::array<char, kZ85Length + 1> derived;
    CHECK_EQ(zmq_curve_public(derived.data(), secret_key.c_str()), 0) << zmq_strerror(errno);
    return public_key == derived.data();
  };
  if (fits(keys.server_public, keys.server_secret) && fits(keys.client_public, keys.client_secret)) return {};
  return Status::Invalid("a public CURVE key is not that of its secret one");
}

ZmqNetwork::ZmqNetwork(std::unique_ptr<ZmqContext> context) : context_(std::move(context)) {}
ZmqNetwork::~ZmqNetwork() = default;

Result<std::unique_ptr<ZmqNetwork>> ZmqNetwork::Create(ZmqOptions options) {
  KeepFreedMemory();  // libzmq receives each large frame into a block of its own
  auto context = std::make_unique<ZmqContext>(std::move(options));
  RETURN_IF_ERROR(context->Start());
  return std::unique_ptr<ZmqNetwork>(new ZmqNetwork(std::move(context)));
}

std::unique_ptr<Mailbox> ZmqNetwork::Open() { return std::make_unique<ZmqMailbox>(context_.get()); }

std::uint64_t ZmqNetwork::malformed() const { return context_->malformed.load(); }

std::uint64_t ZmqNetwork::refused_connections() const { return context_->refused_connections.load(); }

}  // namespace sherd
