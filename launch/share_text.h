#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>

#include "base/status.h"
#include "worker/data/interaction_dataset.h"

namespace sherd {

// What has added to an item's score, as a person reads it (docs/recommending.md): "user=0.31; item=0.2", or, of a
// history, "history:2571 Matrix, The (1999)=0.5"; the largest first. Thread-compatible.
class ShareText {
 public:
  // Both must stay; titles may still come.
  ShareText(const InteractionDataset* dataset, const std::unordered_map<std::string, std::string>* titles)
      : dataset_(dataset), titles_(titles) {}

  // Of an item that the user got with this score: the baseline's score, a TAB, and the shares, which are as
  // proto::EvalResult has them. BadData: of other features than the job's.
  Result<std::string> Of(std::uint32_t user, float score, std::span<const float> shares);
  // Items so far whose shares do not add up to the score, less the baseline's, within 1 %.
  std::uint64_t inexact() const { return inexact_; }

 private:
  std::vector<std::string> NamesFor(std::uint32_t user) const;

  const InteractionDataset* const dataset_;
  const std::unordered_map<std::string, std::string>* const titles_;
  std::uint64_t inexact_ = 0;
};

}  // namespace sherd
