#pragma once

#include <cstdint>
#include <vector>

#include "worker/data/dataset.h"
#include "worker/data/epoch_order.h"
#include "worker/data/interaction_reader.h"
#include "worker/data/sequence_encoder.h"

namespace sherd {

// Training on sequences: a row is a user, with his events and, as targets, what followed each of them, or, where a
// model reconstructs them, the events themselves from the last to the first. A chunk is a range of the epoch's order of
// users.
class SequenceReader : public ChunkReader {
 public:
  // `log_shares`: by item what Minibatch::log_shares are. Both pointers must stay.
  SequenceReader(InteractionChunk chunk, const FeatureLayout& layout, EpochOrder::Rows users,
                 const std::vector<float>* log_shares, proto::Sequences::Targets targets);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  void Begin(Minibatch* minibatch);
  Histories::Example ExampleOf(std::uint32_t user);
  void Add(std::uint32_t user, Minibatch* minibatch);

  const InteractionChunk chunk_;
  const SequenceEncoder encoder_;
  const EpochOrder::Rows users_;
  const std::vector<float>* const log_shares_;
  const proto::Sequences::Targets targets_;
  std::vector<Histories::Event> reversed_;  // of the user at hand
  std::uint64_t minibatch_rows_, at_;
  std::uint32_t minibatches_;
};

}  // namespace sherd
