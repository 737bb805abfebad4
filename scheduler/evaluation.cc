#include "scheduler/evaluation.h"

#include <numeric>
#include <utility>

namespace sherd {
namespace {

Status CheckFrame(const Frame& frame, const char* name, std::size_t element, std::size_t count) {
  if (frame.size() % element == 0 && frame.size() / element == count) return {};
  return Status::Invalid("eval result: " + std::to_string(frame.size()) + " bytes of " + name + " for " +
                         std::to_string(count) + " rows");
}

}  // namespace

Result<ChunkResult> ParseChunkResult(const Message& message, ResultKind kind) {
  if (message.frames.empty() || message.frames.size() > 5) {
    return Status::Invalid("eval result: 1 to 5 frames expected, " + std::to_string(message.frames.size()) + " came");
  }
  ChunkResult result;
  result.worker = message.header.index();
  RETURN_IF_ERROR(ParseBody(Message{message.header, {message.frames[0]}}, &result.body));
  Frame* const frames[] = {&result.scores, &result.labels, &result.weights, &result.groups};
  for (std::size_t i = 1; i < message.frames.size(); ++i) *frames[i - 1] = message.frames[i];

  if (result.scores.size() % sizeof(float) != 0) return Status::Invalid("eval result: a torn score");
  const std::size_t scores = result.scores.size() / sizeof(float);
  if (result.body.bad_rows() > result.body.rows()) return Status::Invalid("eval result: more bad rows than rows");
  if (kind == ResultKind::kPrediction) {
    RETURN_IF_ERROR(CheckFrame(result.scores, "scores", sizeof(float), result.body.rows()));
    return result;
  }
  if (const auto& counts = result.body.share_count(); kind == ResultKind::kRecommendation && !counts.empty()) {
    const std::uint64_t shares = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    if (shares == scores && result.body.list_length().empty()) return result;
    return Status::Invalid("eval result: " + std::to_string(shares) + " shares of places, and no lists, expected");
  }
  if (kind == ResultKind::kRecommendation) {
    const auto& lengths = result.body.list_length();
    if (std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0}) != scores) {
      return Status::Invalid("eval result: lists of other lengths than there are scores");
    }
    if (lengths.size() + result.body.bad_rows() != result.body.rows()) {
      return Status::Invalid("eval result: as many lists as good rows expected");
    }
    RETURN_IF_ERROR(CheckFrame(result.groups, "items", sizeof(std::uint64_t), scores));
    return result;
  }
  RETURN_IF_ERROR(CheckFrame(result.labels, "labels", sizeof(float), scores));
  if (result.weights.size() > 0) RETURN_IF_ERROR(CheckFrame(result.weights, "weights", sizeof(float), scores));
  if (result.groups.size() > 0) RETURN_IF_ERROR(CheckFrame(result.groups, "groups", sizeof(std::uint64_t), scores));
  return result;
}

Evaluation::Evaluation(std::uint32_t number, std::vector<proto::Chunk> chunks, std::uint32_t window)
    : number_(number), chunks_(std::move(chunks)), window_(window) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) place_of_.emplace(chunks_[i].id(), i);
}

void Evaluation::Lose(std::uint32_t worker) {
  for (std::size_t place = popped_; place < holder_.size(); ++place) {
    if (holder_[place] == worker && !held_.contains(place)) lost_.insert(place);
  }
}

std::optional<proto::Chunk> Evaluation::Next(std::uint32_t worker) {
  if (!lost_.empty()) {
    const std::size_t place = *lost_.begin();
    lost_.erase(lost_.begin());
    holder_[place] = worker;
    return chunks_[place];
  }
  const std::size_t place = holder_.size();
  if (place == chunks_.size() || place >= popped_ + window_) return std::nullopt;
  holder_.push_back(worker);
  return chunks_[place];
}

Status Evaluation::Take(ChunkResult result) {
  if (result.body.evaluation() != number_) return {};
  const auto found = place_of_.find(result.body.chunk());
  if (found == place_of_.end() || found->second >= holder_.size() || holder_[found->second] != result.worker) {
    return Status::Invalid("eval result: chunk " + std::to_string(result.body.chunk()) + " was not dealt to worker " +
                           std::to_string(result.worker));
  }
  if (found->second >= popped_) held_.emplace(found->second, std::move(result));
  return {};
}

std::optional<ChunkResult> Evaluation::Pop() {
  const auto first = held_.find(popped_);
  if (first == held_.end()) return std::nullopt;
  ChunkResult result = std::move(first->second);
  held_.erase(first);
  ++popped_;
  return result;
}

}  // namespace sherd
