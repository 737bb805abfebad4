#pragma once

#include <cstdint>
#include <vector>

#include "models/feature_layout.h"
#include "worker/data/minibatch.h"
#include "worker/data/vocabulary.h"

namespace sherd {

// From (user, item) pairs to a minibatch's keys: those of the vocabularies, lists of words where they have them, and
// crosses of them. Confined to one thread.
class PairEncoder {
 public:
  // The vocabularies have the layout's features in its order, and must stay.
  PairEncoder(const FeatureLayout& layout, const Vocabulary* users, const Vocabulary* items);

  void Begin(std::uint32_t max_rows, Minibatch* minibatch) const;
  // Adds a row behind the minibatch->rows that it has; counting it is the caller's.
  void Add(std::uint32_t user, std::uint32_t item, Minibatch* minibatch);
  void End(Minibatch* minibatch) const;

 private:
  // A list of words takes the place of a feature's one key.
  struct Field {
    int feature;
    const Vocabulary* words = nullptr;  // null: one key
    int place = 0;                      // among the vocabulary's features
  };
  struct Table {
    std::vector<Field> fields;
    bool listed = false;  // one of them is a list, so all are in CSR
  };

  void AddLists(std::uint32_t user, std::uint32_t item, const Table& table, TableKeys* keys) const;

  struct Cross {
    int feature;
    std::uint64_t field_hash;
    std::vector<int> crossed;
  };

  const Vocabulary* const users_;
  const Vocabulary* const items_;
  std::vector<int> user_features_, item_features_;  // in the vocabularies' order
  std::vector<Cross> crosses_;
  std::vector<Table> tables_;
  std::vector<Key> key_of_;  // by feature, of the pair at hand
};

}  // namespace sherd
