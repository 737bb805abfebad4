#include "worker/data/token_numbers.h"

#include <algorithm>
#include <bit>

namespace sherd {

TokenNumbers::TokenNumbers(std::uint64_t field_hash, std::span<const std::uint64_t> tokens)
    : unknown_(IntegerKey(field_hash, 0)) {
  const std::uint64_t size = std::bit_ceil(std::max<std::uint64_t>(4, 2 * (tokens.size() + 1)));
  shift_ = 64 - std::countr_zero(size);
  mask_ = size - 1;
  slots_.resize(size);
  const auto add = [&](Key token, Key key) {
    std::uint64_t i = token >> shift_;
    while (slots_[i].key != 0) i = (i + 1) & mask_;
    slots_[i] = {token, key};
  };
  const Key missing = TokenKey(field_hash, "");
  add(missing, missing);
  std::uint64_t number = 0;
  for (const Key token : tokens) add(token, IntegerKey(field_hash, ++number));
}

std::shared_ptr<const Vocabularies> Vocabularies::Make(const FeatureLayout& layout,
                                                       const proto::Statistics& statistics) {
  auto made = std::make_shared<Vocabularies>();
  for (const FeatureLayout::FeatureColumn& feature : layout.features) {
    if (!feature.config->categorical().has_vocabulary()) continue;
    for (const proto::ColumnStatistics& column : statistics.column()) {
      if (column.name() != feature.name) continue;
      made->by_feature_.emplace(feature.name,
                                TokenNumbers(HashBytes(feature.name),
                                             {column.token().data(), static_cast<std::size_t>(column.token_size())}));
    }
  }
  return made;
}

const TokenNumbers* Vocabularies::Find(const std::string& feature) const {
  const auto found = by_feature_.find(feature);
  return found == by_feature_.end() ? nullptr : &found->second;
}

}  // namespace sherd
