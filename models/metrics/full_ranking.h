#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/metrics/list_variety.h"
#include "proto/job.pb.h"
#include "proto/wire.pb.h"

namespace sherd {

// How well each user's own items are found in a ranking of the whole catalogue, as means over users. Of a user with R
// items to find, where the first K places of the list hold the items h_1 < h_2 < … < h_n of them (places from 1):
//
//   precision@K = n / K                      recall@K = n / R                 hr@K = [n > 0]
//   ndcg@K = sum_i 1 / log2(h_i + 1), over the same sum for places 1 … min(K, R)
//   mrr@K = 1 / h_1, 0 without a hit         map@K = sum_i (i / h_i), over min(K, R)
//
// K is never lowered to the size of the catalogue. (Järvelin and Kekäläinen 2002 for NDCG, with gains of 0 and 1.)
// Sums are taken in the order of the calls, in double. Thread-compatible.
class FullRankingQuality {
 public:
  // The K that the job asks for, ascending and distinct.
  static std::vector<std::uint32_t> PlacesOf(const proto::Evaluation& evaluation);

  // `at`: K >= 1, ascending.
  explicit FullRankingQuality(std::vector<std::uint32_t> at) : at_(std::move(at)), sums_(at_.size()), variety_(at_) {}

  // A user with `relevant` > 0 items to find; `hits`: the places of those found, from 0, ascending.
  void Add(std::span<const std::uint32_t> hits, std::size_t relevant);
  // What is shown to a user that was added: the best first, of K items or more where there are as many.
  void AddList(std::span<const RankedItem> list, const ItemPopularity& popularity, const ItemVectors& vectors) {
    variety_.Add(list, popularity, vectors);
  }
  std::uint64_t users() const { return users_; }

  // The sums as they travel, and others' added to these. Sums of a K that is not among these are left out.
  void Save(proto::EvalResult* result) const;
  void Add(const proto::EvalResult& result);
  void Clear();

  // "recall@20" and so on, with those of ListVariety; nothing when there are no users.
  std::map<std::string, double> Figures() const;

 private:
  struct Sums {
    double recall = 0, precision = 0, hit_rate = 0, ndcg = 0, reciprocal_rank = 0, average_precision = 0;
  };

  const std::vector<std::uint32_t> at_;
  std::vector<Sums> sums_;  // by place in at_
  ListVariety variety_;
  std::uint64_t users_ = 0;
};

}  // namespace sherd
