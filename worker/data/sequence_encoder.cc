#include "worker/data/sequence_encoder.h"

namespace sherd {

SequenceEncoder::SequenceEncoder(const FeatureLayout& layout, const Vocabulary* users, const Vocabulary* items)
    : users_(users), items_(items) {
  std::vector<Feature> features;
  int user_keys = 0, item_keys = 0;
  for (const FeatureLayout::FeatureColumn& feature : layout.features) {
    if (feature.column == "user") {
      features.push_back({Column::kUser, user_keys++});
    } else {
      features.push_back({feature.column == "history" ? Column::kHistory : Column::kItem, item_keys++});
    }
  }
  for (const FeatureLayout::TableFields& table : layout.tables) {
    tables_.emplace_back();
    for (const int feature : table.features) tables_.back().push_back(features[feature]);
  }
}

void SequenceEncoder::Begin(Minibatch* minibatch) const {
  minibatch->tables.resize(tables_.size());
  minibatch->numbers.clear();
  for (TableKeys& keys : minibatch->tables) {
    keys.keys.clear();
    keys.weights.clear();
    keys.offsets.assign(1, 0);
  }
}

void SequenceEncoder::Add(std::uint32_t user, Histories::Events history, Histories::Events items,
                          Minibatch* minibatch) const {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    TableKeys& keys = minibatch->tables[t];
    for (const Feature& feature : tables_[t]) {
      if (feature.column == Column::kUser) {
        keys.keys.push_back(users_->keys(user)[feature.key]);
      } else {
        for (const Histories::Event& event : feature.column == Column::kHistory ? history : items) {
          keys.keys.push_back(items_->keys(event.item)[feature.key]);
        }
      }
      keys.offsets.push_back(static_cast<std::uint32_t>(keys.keys.size()));
    }
  }
}

}  // namespace sherd
