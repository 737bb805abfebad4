#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "net/message.h"
#include "proto/wire.pb.h"

namespace sherd {

// What a worker computed of one chunk. The frames have been checked against one another.
struct ChunkResult {
  std::uint32_t worker = 0;
  proto::EvalResult body;
  Frame scores, labels, weights, groups;  // f32, f32, f32 or empty, u64 or empty
};

enum class ResultKind {
  kEvaluation,      // labels for all scores
  kRecommendation,  // lists, with a score and an item for each place; or shares of the places of lists that are known
  kPrediction,      // a score for each row of the chunk, NaN for bad ones; no labels needed
};

// The result in an EVAL_RESULT message, or what does not fit in it.
Result<ChunkResult> ParseChunkResult(const Message& message, ResultKind kind);

// The dealing of chunks to be evaluated or predicted, and their results brought back into order: what is computed from
// them depends on the input alone. No chunk further than `window` after the first unfinished one is dealt, so that
// little has to be held back. Thread-compatible.
class Evaluation {
 public:
  Evaluation(std::uint32_t number, std::vector<proto::Chunk> chunks, std::uint32_t window);

  std::uint32_t number() const { return number_; }
  // The next chunk for whoever asks; nothing when none is left or the window is full.
  std::optional<proto::Chunk> Next(std::uint32_t worker);
  // What the worker was dealt and has not finished is dealt again, before what is left.
  void Lose(std::uint32_t worker);
  // A result has come. One that was there already, or of another evaluation, is ignored. Invalid: no such chunk was
  // dealt to the worker.
  Status Take(ChunkResult result);
  // The next result in the order of the chunks, once it is there.
  std::optional<ChunkResult> Pop();
  bool done() const { return popped_ == chunks_.size(); }

 private:
  const std::uint32_t number_;
  const std::vector<proto::Chunk> chunks_;
  const std::uint32_t window_;
  std::vector<std::uint32_t> holder_;              // [dealt chunks] worker
  std::set<std::size_t> lost_;                     // places to be dealt again
  std::size_t popped_ = 0;                         // chunks before this are finished
  std::map<std::size_t, ChunkResult> held_;        // by place, from popped_ on
  std::map<std::uint64_t, std::size_t> place_of_;  // chunk id -> place
};

}  // namespace sherd
