#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/metrics/list_variety.h"
#include "proto/job.pb.h"

namespace sherd {

// Chooses a short list out of a longer one, so that its items are less alike: maximal marginal relevance (Carbonell and
// Goldstein 1998). Each place goes to the item i with the largest
//
//   lambda * s_i - (1 - lambda) * the largest cosine of i's vector and one of the items above
//
// where s_i is i's score, scaled to [0, 1] within the longer list; of equal ones to the first there. At the first place
// there is none above. Buffers are used again. Thread-compatible.
class DiverseList {
 public:
  DiverseList(const proto::Mmr& mmr, std::uint32_t at) : lambda_(mmr.lambda()), at_(at) {}

  // `list`: the best first. The items chosen, with their scores; valid until the next call.
  std::span<const RankedItem> Choose(std::span<const RankedItem> list, const ItemVectors& vectors);

 private:
  const double lambda_;
  const std::uint32_t at_;
  std::vector<RankedItem> chosen_;
  std::vector<double> alike_;    // by item of the list: the largest cosine so far; those chosen are +inf
  std::vector<double> lengths_;  // of its vectors
};

}  // namespace sherd
