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
  for (const FeatureLayout::TableFields& table : layout.tables) {
    Table& fields = tables_.emplace_back();
    for (const int feature : table.features) fields.fields.push_back({feature});
  }
  const auto find_words = [&](const std::vector<int>& features, const Vocabulary* vocabulary) {
    for (std::size_t place = 0; place < features.size(); ++place) {
      if (!vocabulary->HasWords(static_cast<int>(place))) continue;
      const FeatureLayout::FeatureColumn& feature = layout.features[features[place]];
      Table& table = tables_[feature.table];
      table.listed = true;
      table.fields[feature.field] = {features[place], vocabulary, static_cast<int>(place)};
    }
  };
  find_words(user_features_, users);
  find_words(item_features_, items);
}

void PairEncoder::Begin(std::uint32_t max_rows, Minibatch* minibatch) const {
  minibatch->tables.resize(tables_.size());
  minibatch->numbers.clear();
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    TableKeys& keys = minibatch->tables[t];
    keys.keys.resize(tables_[t].listed ? 0 : std::size_t{max_rows} * tables_[t].fields.size());
    keys.offsets.assign(tables_[t].listed ? 1 : 0, 0);
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
    const Table& table = tables_[t];
    if (table.listed) {
      AddLists(user, item, table, &minibatch->tables[t]);
      continue;
    }
    Key* out = minibatch->tables[t].keys.data() + std::size_t{minibatch->rows} * table.fields.size();
    for (const Field& field : table.fields) *out++ = key_of_[field.feature];
  }
}

void PairEncoder::AddLists(std::uint32_t user, std::uint32_t item, const Table& table, TableKeys* keys) const {
  for (const Field& field : table.fields) {
    if (field.words == nullptr) {
      keys->keys.push_back(key_of_[field.feature]);
      keys->weights.push_back(1);
    } else {
      const Vocabulary::Words words = field.words->words(field.words == users_ ? user : item, field.place);
      keys->keys.insert(keys->keys.end(), words.keys.begin(), words.keys.end());
      keys->weights.insert(keys->weights.end(), words.weights.begin(), words.weights.end());
    }
    keys->offsets.push_back(static_cast<std::uint32_t>(keys->keys.size()));
  }
}

void PairEncoder::End(Minibatch* minibatch) const {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    if (tables_[t].listed) continue;
    minibatch->tables[t].keys.resize(std::size_t{minibatch->rows} * tables_[t].fields.size());
  }
}

}  // namespace sherd
