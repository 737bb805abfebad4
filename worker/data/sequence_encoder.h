#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/feature_layout.h"
#include "worker/data/histories.h"
#include "worker/data/minibatch.h"
#include "worker/data/vocabulary.h"

namespace sherd {

// From users, their histories and items to a minibatch's keys, as lists (data.user_item.sequences). Immutable.
class SequenceEncoder {
 public:
  // The vocabularies have the layout's features in its order, and must stay.
  SequenceEncoder(const FeatureLayout& layout, const Vocabulary* users, const Vocabulary* items);

  void Begin(Minibatch* minibatch) const;
  // A row: of the feature `history` the history's items, of `item` those of `items`.
  void Add(std::uint32_t user, Histories::Events history, Histories::Events items, Minibatch* minibatch) const;

 private:
  enum class Column { kUser, kHistory, kItem };
  struct Feature {
    Column column;
    int key;  // position among the keys of its vocabulary's tokens
  };

  const Vocabulary* const users_;
  const Vocabulary* const items_;
  std::vector<std::vector<Feature>> tables_;  // features by field
};

}  // namespace sherd
