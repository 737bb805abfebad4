#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/wire_servers.h"
#include "worker/ps_client.h"

namespace sherd::bench {

// What the keys of rows 0, 1, 2 … are. Sherd's are hashes; small integers are what a map of them likes best, for rows
// that are asked for in their order lie in their order.
enum class KeyKind { kHashes, kIntegers };
constexpr const char* NameOf(KeyKind kind) { return kind == KeyKind::kHashes ? "hashes" : "integers"; }

// Minibatches' worth of sorted keys, drawn uniformly from those of `rows` rows. They have no gradients: the client
// pushes ones.
std::vector<WorkPtr> MakeWorks(KeyKind kind, std::uint64_t rows, std::size_t keys, std::size_t count);
// The key of every row once.
std::vector<WorkPtr> MakeAllRows(KeyKind kind, std::uint64_t rows);

enum class Exchange { kPull, kPush, kPullThenPush, kPushPulled };  // kPush: with its keys; kPushPulled: as pulled

// A worker's client of one server, used as the pipeline uses it. Confined to one thread.
class WireClient {
 public:
  struct Options {
    proto::Encoding encoding = proto::FP32;
    RowCaches::Options cache = {};
  };
  static Result<std::unique_ptr<WireClient>> Connect(Network* network, const std::string& endpoint,
                                                     const proto::ModelSpec& model, const Options& options);

  // Exchanges each of the works, `in_flight` at a time.
  Status Run(Exchange exchange, const std::vector<WorkPtr>& works, std::size_t in_flight);

  // Sent and received so far, but for the transport's own.
  std::uint64_t bytes() const { return mailbox_->bytes_sent() + mailbox_->bytes_received(); }

  // Fails unless a push moves each of the work's rows by just one step.
  Status Check(const WorkPtr& work);

 private:
  WireClient(Network* network, const std::string& endpoint, const proto::ModelSpec& model, const Options& options);
  void Push(const WorkPtr& work);
  void GiveGradients(Work* work);
  void Pushed(Work* work);
  Status Receive();

  const std::unique_ptr<Mailbox> mailbox_;
  const ParameterLayout layout_;
  PsClient client_;
  std::uint64_t clock_ = 0;
  std::vector<AlignedBuffer<float>> spare_;  // gradients of works that have been pushed
};

}  // namespace sherd::bench
