#include "worker/data/bags.h"

namespace sherd {

Bags::Bags(proto::Bags::Owner of, const Interactions& interactions, proto::Chunk::Set set) {
  const Vocabulary& owners = of == proto::Bags::USER ? interactions.users : interactions.items;
  begin_.assign(std::size_t{owners.size()} + 1, 0);
  const auto for_each_row = [&](const auto& visit) {
    for (const Interactions::File& file : interactions.sets[set]) {
      for (const Interaction& row : file.rows) {
        if (row.user != Vocabulary::kNone) visit(row);
      }
    }
  };
  for_each_row([&](const Interaction& row) { ++begin_[OwnerOf(of, row) + 1]; });
  for (std::size_t i = 1; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
  entries_.resize(begin_.back());
  std::vector<std::uint64_t> next = begin_;
  for_each_row([&](const Interaction& row) { entries_[next[OwnerOf(of, row)]++] = EntryOf(of, row); });
}

std::vector<std::uint32_t> Bags::Owners() const {
  std::vector<std::uint32_t> owners;
  for (std::uint32_t owner = 0; owner + 1 < begin_.size(); ++owner) {
    if (begin_[owner] < begin_[owner + 1]) owners.push_back(owner);
  }
  return owners;
}

BagEncoder::BagEncoder(const FeatureLayout& layout, const Interactions& interactions, proto::Bags::Owner of)
    : owners_(of == proto::Bags::USER ? &interactions.users : &interactions.items),
      tokens_(of == proto::Bags::USER ? &interactions.items : &interactions.users) {
  std::vector<Feature> features;
  int owner_keys = 0, token_keys = 0;  // features were added to the vocabularies in this order
  for (const FeatureLayout::FeatureColumn& feature : layout.features) {
    if (feature.column == "history") {
      features.push_back({Column::kHistory, token_keys++});
    } else if (feature.column == "targets") {
      features.push_back({Column::kTargets, token_keys++});
    } else {
      features.push_back({Column::kOwner, owner_keys++});
    }
  }
  for (const FeatureLayout::TableFields& table : layout.tables) {
    tables_.emplace_back();
    for (const int feature : table.features) tables_.back().push_back(features[feature]);
  }
}

void BagEncoder::Begin(Minibatch* minibatch) const {
  minibatch->tables.resize(tables_.size());
  minibatch->numbers.clear();
  for (TableKeys& keys : minibatch->tables) {
    keys.keys.clear();
    keys.weights.clear();
    keys.offsets.assign(1, 0);
  }
}

void BagEncoder::Add(std::uint32_t owner, std::span<const Bags::Entry> history, std::span<const Bags::Entry> targets,
                     Minibatch* minibatch) const {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    TableKeys& keys = minibatch->tables[t];
    for (const Feature& feature : tables_[t]) {
      if (feature.column == Column::kOwner) {
        keys.keys.push_back(owners_->keys(owner)[feature.key]);
        keys.weights.push_back(1);
      } else {
        AddEntries(feature.column == Column::kHistory ? history : targets, feature, &keys);
      }
      keys.offsets.push_back(static_cast<std::uint32_t>(keys.keys.size()));
    }
  }
}

// A target's occurrence weighs 1: its rating is what is to be found out.
void BagEncoder::AddEntries(std::span<const Bags::Entry> entries, const Feature& feature, TableKeys* keys) const {
  for (const Bags::Entry& entry : entries) {
    keys->keys.push_back(tokens_->keys(entry.token)[feature.key]);
    keys->weights.push_back(feature.column == Column::kHistory ? entry.rating : 1.0f);
  }
}

}  // namespace sherd
