#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"
#include "ps/row_codec.h"

namespace sherd {

// How a checkpoint is to be written anew. What is not set stays as it is.
struct Rewriting {
  std::uint32_t shards = 0;
  std::optional<Precision> weights, state;
};

// `sherd checkpoint reshard` and `cast`: writes the checkpoint in `dir` to the new folder `out` as a full one, slot by
// slot, in the memory of a few slots. It is what the job would have written there with that many shards, or that
// storage of rows: its job file says so, and the manifest comes last. Weights that get shorter are rounded to the
// nearest. After an error there is no `out`. Invalid: there is something at `out`, or no such storage.
Status RewriteCheckpoint(const std::string& dir, const std::string& out, const Rewriting& rewriting);

}  // namespace sherd
