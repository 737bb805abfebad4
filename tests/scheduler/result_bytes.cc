#include "tests/scheduler/result_bytes.h"

#include <glog/logging.h>

#include <utility>

#include "net/seal.h"
#include "scheduler/evaluation.h"
#include "tests/net/message_bytes.h"

namespace sherd {
namespace {

void CheckTaken(const ChunkResult& result, ResultKind kind) {
  const std::size_t scores = result.scores.As<float>().size();
  CHECK_LE(result.body.bad_rows(), result.body.rows());
  if (kind == ResultKind::kPrediction) {
    CHECK_EQ(scores, result.body.rows());
    return;
  }
  CHECK_EQ(result.labels.As<float>().size(), scores);
  if (result.weights.size() > 0) CHECK_EQ(result.weights.As<float>().size(), scores);
  if (result.groups.size() > 0) CHECK_EQ(result.groups.As<std::uint64_t>().size(), scores);
}

}  // namespace

void RunResultBytes(std::span<const std::uint8_t> bytes) {
  for (std::vector<Frame>& parts : MessagesIn(bytes)) {
    const Frame header = parts[0];
    parts.erase(parts.begin());
    Message message;
    message.frames = std::move(parts);
    if (!Open({.job = 7}, Checksums::kNone, header.bytes(), &message).good) continue;
    for (const ResultKind kind : {ResultKind::kEvaluation, ResultKind::kPrediction}) {
      const Result<ChunkResult> result = ParseChunkResult(message, kind);
      if (result.ok()) CheckTaken(*result, kind);
    }
  }
}

}  // namespace sherd
