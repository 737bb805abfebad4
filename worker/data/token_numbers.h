#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "models/feature_layout.h"
#include "proto/checkpoint.pb.h"

namespace sherd {

// The numbers, from 1 on, that the tokens in one feature's vocabulary have; 0 is that of all others. A token is known
// by the key that it would have without a vocabulary, so that texts and row files of keys are numbered alike.
// Immutable.
class TokenNumbers {
 public:
  // `tokens`: such keys, in the order of their numbers; none comes twice.
  TokenNumbers(std::uint64_t field_hash, std::span<const std::uint64_t> tokens);

  // The key of a token's number. That of a missing value, the empty token, stays what it is.
  Key KeyOf(Key token) const {
    for (std::uint64_t i = token >> shift_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.key == 0) return unknown_;
      if (slot.token == token) return slot.key;
    }
  }

 private:
  struct Slot {
    Key token = 0, key = 0;  // key = 0: free
  };

  int shift_;
  std::uint64_t mask_;
  Key unknown_;
  std::vector<Slot> slots_;  // at most half of them taken; probed from the token's top bits on
};

// Those of a job's features that have vocabularies. Immutable.
class Vocabularies {
 public:
  // Of the statistics, by the names of their columns.
  static std::shared_ptr<const Vocabularies> Make(const FeatureLayout& layout, const proto::Statistics& statistics);

  // Null: the feature has none, or the statistics have not.
  const TokenNumbers* Find(const std::string& feature) const;

 private:
  std::map<std::string, TokenNumbers> by_feature_;
};

}  // namespace sherd
