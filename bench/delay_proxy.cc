#include "bench/delay_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <memory>
#include <utility>

namespace sherd::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiece = 256 << 10;  // bytes read at a time
constexpr std::size_t kMostPieces = 1024;  // on their way in one direction
constexpr std::chrono::milliseconds kLook(100);

sockaddr_in LocalAddress(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void SendAtOnce(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// A socket that both directions of a connection hold.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) { SendAtOnce(fd); }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

// One direction of a connection.
class DelayProxy::Flow {
 public:
  Flow(std::shared_ptr<Socket> from, std::shared_ptr<Socket> to) : from_(std::move(from)), to_(std::move(to)) {}

  bool over() const { return over_; }
  // What poll is to watch. Bytes that are due are waited for at the socket, the others by time.
  void Watch(Clock::time_point now, std::vector<pollfd>* sockets, Clock::time_point* wake) const {
    const bool reads = pieces_.size() < kMostPieces;
    sockets->push_back({.fd = reads ? from_->fd() : -1, .events = POLLIN, .revents = 0});
    const bool due = !pieces_.empty() && pieces_.front().due <= now;
    sockets->push_back({.fd = due ? to_->fd() : -1, .events = POLLOUT, .revents = 0});
    if (!pieces_.empty() && !due) *wake = std::min(*wake, pieces_.front().due);
  }
  void Move(const pollfd& in, const pollfd& out, std::chrono::milliseconds delay) {
    if (in.revents != 0) Read(delay);
    if (out.revents != 0) Write();
  }

 private:
  struct Piece {
    Clock::time_point due;
    std::size_t begin = 0, end = 0;
    std::unique_ptr<char[]> bytes;
  };

  void Read(std::chrono::milliseconds delay) {
    Piece piece;
    if (spare_.empty()) {
      piece.bytes = std::make_unique<char[]>(kPiece);
    } else {
      piece.bytes = std::move(spare_.back());
      spare_.pop_back();
    }
    const ssize_t got = ::recv(from_->fd(), piece.bytes.get(), kPiece, MSG_DONTWAIT);
    if (got > 0) {
      piece.due = Clock::now() + delay;
      piece.end = static_cast<std::size_t>(got);
      pieces_.push_back(std::move(piece));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      over_ = true;
    }
  }
  void Write() {
    Piece& piece = pieces_.front();
    const ssize_t sent =
        ::send(to_->fd(), piece.bytes.get() + piece.begin, piece.end - piece.begin, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      over_ = errno != EAGAIN && errno != EINTR;
      return;
    }
    piece.begin += static_cast<std::size_t>(sent);
    if (piece.begin < piece.end) return;
    spare_.push_back(std::move(piece.bytes));
    pieces_.pop_front();
  }

  const std::shared_ptr<Socket> from_, to_;
  std::deque<Piece> pieces_;
  std::vector<std::unique_ptr<char[]>> spare_;
  bool over_ = false;
};

Result<std::unique_ptr<DelayProxy>> DelayProxy::Start(const std::string& target, std::chrono::milliseconds delay) {
  const std::size_t colon = target.rfind(':');
  const int port = colon == std::string::npos ? 0 : std::atoi(target.c_str() + colon + 1);
  if (port <= 0) return Status::Invalid("no port in " + target);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return Status::Io("make a socket", errno);
  sockaddr_in address = LocalAddress(0);
  socklen_t size = sizeof(address);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 64) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const Status failed = Status::Io("listen on 127.0.0.1", errno);
    ::close(listener);
    return failed;
  }
  return std::unique_ptr<DelayProxy>(new DelayProxy(listener, ntohs(address.sin_port), port, delay));
}

DelayProxy::DelayProxy(int listener, int port, int target_port, std::chrono::milliseconds delay)
    : listener_(listener),
      target_port_(target_port),
      delay_(delay),
      endpoint_("tcp://127.0.0.1:" + std::to_string(port)),
      thread_([this] { Run(); }) {}

DelayProxy::~DelayProxy() {
  stop_ = true;
  thread_.join();
  ::close(listener_);
}

void DelayProxy::Accept() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  auto near = std::make_shared<Socket>(client);
  auto far = std::make_shared<Socket>(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = LocalAddress(target_port_);
  // Not there: the client connects again, as it would without a proxy.
  if (::connect(far->fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return;
  flows_.push_back(std::make_unique<Flow>(near, far));
  flows_.push_back(std::make_unique<Flow>(far, near));
}

void DelayProxy::Run() {
  std::vector<pollfd> sockets;
  while (!stop_) {
    const Clock::time_point now = Clock::now();
    Clock::time_point wake = now + kLook;
    sockets.assign(1, {.fd = listener_, .events = POLLIN, .revents = 0});
    for (const auto& flow : flows_) flow->Watch(now, &sockets, &wake);
    const auto wait = std::chrono::duration_cast<std::chrono::nanoseconds>(wake - now).count();
    const timespec timeout{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
    if (::ppoll(sockets.data(), sockets.size(), &timeout, nullptr) < 0) continue;
    for (std::size_t i = 0; i < flows_.size(); ++i) flows_[i]->Move(sockets[2 * i + 1], sockets[2 * i + 2], delay_);
    // One direction's end ends the other's.
    for (std::size_t i = flows_.size(); i >= 2; i -= 2) {
      if (!flows_[i - 1]->over() && !flows_[i - 2]->over()) continue;
      flows_.erase(flows_.begin() + static_cast<std::ptrdiff_t>(i - 2),
                   flows_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (sockets[0].revents != 0) Accept();
  }
}

}  // namespace sherd::bench
