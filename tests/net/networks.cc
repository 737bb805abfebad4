#include "tests/net/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "net/memory_network.h"

namespace sherd {
namespace {

// A port that was free just now.
int FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  CHECK_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), length), 0);
  CHECK_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

}  // namespace

Networks::Networks(std::string transport, const std::function<void(Limits*)>& change)
    : transport_(std::move(transport)) {
  std::string folder = (std::filesystem::temp_directory_path() / "sherd-net-XXXXXX").string();
  CHECK(mkdtemp(folder.data()) != nullptr);
  folder_ = folder;
  Limits limits;
  if (change) change(&limits);
  if (transport_ == "memory") {
    network_ = std::make_unique<MemoryNetwork>(
        MemoryOptions{kJob, limits.max_frame_bytes, static_cast<std::size_t>(limits.queue_messages)});
    return;
  }
  ZmqOptions options;
  options.job = kJob;
  options.max_frame_bytes = limits.max_frame_bytes;
  options.queue_messages = limits.queue_messages;
  if (transport_ == "curve") options.keys = MakeCurveKeys();
  network_ = MakeZmq(options);
}

Networks::~Networks() {
  network_.reset();
  std::filesystem::remove_all(folder_);
}

std::unique_ptr<Mailbox> Networks::Bound() {
  auto mailbox = network_->Open();
  const bool tcp = transport_ == "tcp" || transport_ == "curve";
  const Status status = mailbox->Bind(tcp ? "tcp://127.0.0.1:*" : FixedEndpoint());
  CHECK(status.ok()) << status.text();
  return mailbox;
}

std::string Networks::FixedEndpoint() {
  const std::string name = std::to_string(++endpoints_);
  if (in_process()) return "inproc://test-" + name;
  if (transport_ == "ipc") return "ipc://" + folder_ + "/" + name;
  return "tcp://127.0.0.1:" + std::to_string(FreePort());
}

std::unique_ptr<ZmqNetwork> MakeZmq(ZmqOptions options) {
  auto network = ZmqNetwork::Create(std::move(options));
  CHECK(network.ok()) << network.status().text();
  return std::move(network).value();
}

Deadline Soon() { return Clock::now() + std::chrono::seconds(30); }

Message Pull(std::uint64_t request, const std::vector<std::string>& frames) {
  Message message;
  message.header.set_kind(proto::PULL);
  message.header.set_request(request);
  for (const std::string& frame : frames) message.frames.push_back(Frame::Of(frame));
  return message;
}

std::vector<std::string> Texts(const Message& message) {
  std::vector<std::string> texts;
  for (const Frame& frame : message.frames) {
    texts.emplace_back(reinterpret_cast<const char*>(frame.bytes().data()), frame.size());
  }
  return texts;
}

}  // namespace sherd
