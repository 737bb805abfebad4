#include "worker/data/pair_encoder.h"

namespace sherd {

PairEncoder::PairEncoder(const FeatureLayout& layout, const Vocabulary* users, const Vocabulary* items)
    : users_(users), items_(items), key_of_(layout.features.size()) {
  for (int i = 0; i < static_cast<int>(layout.features.size()); ++i) {
    const FeatureLayout::FeatureColumn& feature = layout.features[i];
    if (feature.config->has_cross()) {
      crosses_.push_back({i, HashBytes(feature.name), feature.crossed});
    } else {
      (feature.column == "user" ? user_features_ : item_features_).push_back(i);
    }
  }
  for (const FeatureLayout::TableFields& table : layout.tables) tables_.push_back(table.features);
}

void PairEncoder::Begin(std::uint32_t max_rows, Minibatch* minibatch) const {
  minibatch->tables.resize(tables_.size());
  minibatch->numbers.clear();
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    TableKeys& keys = minibatch->tables[t];
    keys.keys.resize(std::size_t{max_rows} * tables_[t].size());
    keys.offsets.clear();
    keys.weights.clear();
  }
}

void PairEncoder::Add(std::uint32_t user, std::uint32_t item, Minibatch* minibatch) {
  const Key* user_keys = users_->keys(user);
  const Key* item_keys = items_->keys(item);
  for (const int feature : user_features_) key_of_[feature] = *user_keys++;
  for (const int feature : item_features_) key_of_[feature] = *item_keys++;
  for (const Cross& cross : crosses_) {
    Key key = key_of_[cross.crossed[0]];
    for (std::size_t i = 1; i < cross.crossed.size(); ++i) {
      key = CrossKey(cross.field_hash, key, key_of_[cross.crossed[i]]);
    }
    key_of_[cross.feature] = key;
  }
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    Key* out = minibatch->tables[t].keys.data() + std::size_t{minibatch->rows} * tables_[t].size();
    for (const int feature : tables_[t]) *out++ = key_of_[feature];
  }
}

void PairEncoder::End(Minibatch* minibatch) const {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    minibatch->tables[t].keys.resize(std::size_t{minibatch->rows} * tables_[t].size());
  }
}

}  // namespace sherd
