#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/feature_layout.h"
#include "worker/data/interactions.h"
#include "worker/data/minibatch.h"

namespace sherd {

// The interactions of a set by their owners, users or items as data.user_item.bags says: each owner's entries in the
// order of the input. Immutable.
class Bags {
 public:
  struct Entry {
    std::uint32_t token;  // the other one: the item of a user's interaction, the user of an item's
    float rating;
    std::uint32_t line;
  };

  Bags(proto::Bags::Owner of, const Interactions& interactions, proto::Chunk::Set set);

  static std::uint32_t OwnerOf(proto::Bags::Owner of, const Interaction& row) {
    return of == proto::Bags::USER ? row.user : row.item;
  }
  static Entry EntryOf(proto::Bags::Owner of, const Interaction& row) {
    return {of == proto::Bags::USER ? row.item : row.user, row.rating, row.line};
  }

  std::span<const Entry> of(std::uint32_t owner) const {
    return {entries_.data() + begin_[owner], entries_.data() + begin_[owner + 1]};
  }
  // Those with entries, ascending.
  std::vector<std::uint32_t> Owners() const;

 private:
  std::vector<std::uint64_t> begin_;  // [owners + 1]
  std::vector<Entry> entries_;
};

// From owners and their bags to a minibatch: a row for each owner, with its history's entries, which weigh their
// ratings, and its targets', each with a label of its own. Confined to one thread.
class BagEncoder {
 public:
  // Both must stay.
  BagEncoder(const FeatureLayout& layout, const Interactions& interactions, proto::Bags::Owner of);

  void Begin(Minibatch* minibatch) const;
  void Add(std::uint32_t owner, std::span<const Bags::Entry> history, std::span<const Bags::Entry> targets,
           Minibatch* minibatch) const;

 private:
  enum class Column { kOwner, kHistory, kTargets };
  struct Feature {
    Column column;
    int key;  // position among the keys of its vocabulary's tokens
  };

  void AddEntries(std::span<const Bags::Entry> entries, const Feature& feature, TableKeys* keys) const;

  const Vocabulary* const owners_;
  const Vocabulary* const tokens_;
  std::vector<std::vector<Feature>> tables_;  // features by field
};

}  // namespace sherd
