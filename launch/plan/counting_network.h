#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "net/mailbox.h"

namespace sherd {

// Another network, with the bytes that went over it, each counted where it was sent. Thread-safe; outlives its
// mailboxes, and the other one outlives it.
class CountingNetwork : public Network {
 public:
  explicit CountingNetwork(Network* inner) : inner_(inner) {}

  std::unique_ptr<Mailbox> Open() override { return std::make_unique<Counted>(inner_->Open(), &bytes_); }
  // Of all mailboxes that are closed by now.
  std::uint64_t bytes() const { return bytes_; }

 private:
  class Counted : public Mailbox {
   public:
    Counted(std::unique_ptr<Mailbox> inner, std::atomic<std::uint64_t>* bytes)
        : inner_(std::move(inner)), bytes_(bytes) {}
    ~Counted() override { *bytes_ += inner_->bytes_sent(); }

    Status Bind(const std::string& endpoint) override { return inner_->Bind(endpoint); }
    const std::string& endpoint() const override { return inner_->endpoint(); }
    Result<Peer> Connect(const std::string& endpoint) override { return inner_->Connect(endpoint); }
    Status Send(const Peer& to, const Message& message) override { return inner_->Send(to, message); }
    std::optional<Envelope> Receive(Deadline deadline) override { return inner_->Receive(deadline); }
    void Wake() override { inner_->Wake(); }
    std::uint64_t malformed() const override { return inner_->malformed(); }
    std::uint64_t bytes_sent() const override { return inner_->bytes_sent(); }
    std::uint64_t bytes_received() const override { return inner_->bytes_received(); }

   private:
    const std::unique_ptr<Mailbox> inner_;
    std::atomic<std::uint64_t>* const bytes_;
  };

  Network* const inner_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace sherd
