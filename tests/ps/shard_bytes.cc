#include "tests/ps/shard_bytes.h"

#include <utility>

#include "net/seal.h"
#include "tests/net/message_bytes.h"
#include "tests/ps/shard_cluster.h"

namespace sherd {
namespace {

// These write to and delete from folders that they name, as a scheduler that has the job's keys may ask: here nobody
// does.
bool TouchesFiles(proto::Kind kind) {
  return kind == proto::OPEN_CUT || kind == proto::LOAD || kind == proto::PRUNE || kind == proto::STOP;
}

// A worker that the fuzzer has not spoken for.
void ExpectServes(ShardCluster* cluster) {
  constexpr std::uint32_t kWorker = 60000;
  Message pull = cluster->Pull(0, kWorker, 0, {1, 2, 3});
  pull.header.set_evaluation(true);
  pull.header.set_incarnation(~0u);  // later than any that it may have fenced
  CHECK_EQ(cluster->Code(0, std::move(pull)), proto::OK);
}

}  // namespace

void RunShardBytes(std::span<const std::uint8_t> bytes) {
  ShardCluster cluster({});
  cluster.StartEpoch(0, 0, {0, 1});
  for (std::vector<Frame>& parts : MessagesIn(bytes)) {
    const Frame header = parts[0];
    parts.erase(parts.begin());
    Message message;
    message.frames = std::move(parts);
    const Opened opened = Open({.job = 7}, Checksums::kNone, header.bytes(), &message);
    if (!opened.good || message.header.reply() || TouchesFiles(message.header.kind())) continue;
    const std::uint64_t request = message.header.request();
    for (const Envelope& reply : cluster.shard(0).Handle({"w0", std::move(message)})) {
      CHECK(reply.message.header.reply()) << "to request " << request;
    }
  }
  ExpectServes(&cluster);
}

}  // namespace sherd
