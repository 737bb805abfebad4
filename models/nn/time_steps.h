#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/nn/graph.h"

namespace sherd::nn {

// The events of a batch by their place in their rows, for layers that go from one event to the next in all rows at
// once. Rows are taken by falling length, so the rows that have a t-th event are the first ones, at every t; packed,
// the events of step t are [start(t), start(t) + rows(t)), in that order of rows.
class TimeSteps {
 public:
  // The vectors grow with the largest batch. `rows`: of the batch.
  void Make(const Domain& domain, std::uint32_t rows) {
    const auto length = [&](std::uint32_t r) { return domain.begin[r + 1] - domain.begin[r]; };
    std::uint32_t steps = 0;
    for (std::uint32_t r = 0; r < rows; ++r) steps = std::max(steps, length(r));
    // Rows with t events or more, then where a row of just t goes: counting sort, which keeps the order of equal ones.
    start_.assign(steps + 1, 0);
    next_.assign(std::size_t{steps} + 2, 0);
    for (std::uint32_t r = 0; r < rows; ++r) ++next_[length(r)];
    for (std::uint32_t t = steps; t > 0; --t) next_[t - 1] += next_[t];
    for (std::uint32_t t = 0; t < steps; ++t) start_[t + 1] = start_[t] + next_[t + 1];
    packed_.resize(domain.rows);
    for (std::uint32_t r = 0; r < rows; ++r) {
      const std::uint32_t order = next_[length(r) + 1]++;
      for (std::uint32_t t = 0; t < length(r); ++t) packed_[domain.begin[r] + t] = start_[t] + order;
    }
  }

  std::uint32_t steps() const { return static_cast<std::uint32_t>(start_.size()) - 1; }
  std::uint32_t start(std::uint32_t t) const { return start_[t]; }
  std::uint32_t rows(std::uint32_t t) const { return start_[t + 1] - start_[t]; }
  // Where event k of the domain is, packed.
  std::uint32_t packed(std::uint32_t k) const { return packed_[k]; }

 private:
  std::vector<std::uint32_t> start_;   // [steps + 1]
  std::vector<std::uint32_t> packed_;  // [events]
  std::vector<std::uint32_t> next_;    // [steps + 2]: by length, the next row's number in the order
};

}  // namespace sherd::nn
