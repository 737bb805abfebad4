#include "launch/plan/key_sample.h"

#include <cmath>
#include <map>

namespace sherd {

// The raw key may be an id, and tables place rows by Mix(key).
bool KeySample::Sampled(Key key) const { return level_ == 0 || Mix(key, 0x706c616e) >> (64 - level_) == 0; }

void KeySample::Add(Key key) {
  ++occurrences_;
  if (!Sampled(key)) return;
  ++counts_[key];
  while (counts_.size() > kMost) {
    ++level_;
    std::erase_if(counts_, [this](const auto& entry) { return !Sampled(entry.first); });
  }
}

std::vector<double> KeySample::DistinctOf(std::span<const double> shares) const {
  std::map<std::uint32_t, double> keys_of_count;
  for (const auto& [key, count] : counts_) ++keys_of_count[count];
  std::vector<double> distinct;
  for (const double share : shares) {
    double sum = 0;
    for (const auto& [count, keys] : keys_of_count) sum += keys * (1 - std::pow(1 - share, count));
    distinct.push_back(sum * weight());
  }
  return distinct;
}

}  // namespace sherd
