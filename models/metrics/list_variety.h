#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/metrics/top_items.h"
#include "proto/wire.pb.h"

namespace sherd {

// How many users have each item in training.
struct ItemPopularity {
  std::vector<std::uint32_t> users_of;  // by item of the catalogue
  std::uint32_t users = 0;              // that have any
};

// The vectors that a model scores items by; empty: its score is no dot product.
struct ItemVectors {
  std::span<const float> values;  // [catalogue, dim]
  std::size_t dim = 0;

  std::span<const float> of(std::uint32_t item) const { return values.subspan(item * dim, dim); }
};

// What the lists of a ranking are like, whether they are right or not. Of the first K items i of a user's list, or of
// all when there are fewer, where a share p_i of the users has i in training (an item that nobody has counts as if one
// had it):
//
//   novelty@K = the mean of -log2 p_i             popularity@K = the mean of p_i
//   diversity@K = the mean over pairs of 1 - the cosine of their vectors; 0 for a single item
//
// as means over users (Zhou et al. 2010; Ziegler et al. 2005), and coverage@K, the share of the catalogue's items that
// stand in at least one user's first K. Sums are taken in the order of the calls, in double. Thread-compatible.
class ListVariety {
 public:
  // `at`: K >= 1, ascending.
  explicit ListVariety(std::vector<std::uint32_t> at) : at_(std::move(at)), sums_(at_.size()) {}

  void Add(std::span<const RankedItem> list, const ItemPopularity& popularity, const ItemVectors& vectors);

  // As they travel, and others' added to these; `place` is that of the K among all.
  void Save(std::size_t place, proto::RankingAt* out) const;
  void Add(std::size_t place, const proto::RankingAt& more);
  void Clear() { sums_.assign(at_.size(), {}); }

  // "coverage@20" and so on, of so many users; nothing when no list was added, and no diversity without vectors.
  void AddFigures(std::uint64_t users, std::map<std::string, double>* figures) const;

 private:
  struct Sums {
    double novelty = 0, popularity = 0, diversity = 0;
    std::uint32_t catalogue = 0;  // 0: no list was added
    bool has_diversity = false;
    std::string listed;  // bit i % 8 of byte i / 8: item i is in a list
  };

  const std::vector<std::uint32_t> at_;
  std::vector<Sums> sums_;         // by place in at_
  std::vector<double> direction_;  // the sum of a list's vectors, each divided by its length
};

}  // namespace sherd
