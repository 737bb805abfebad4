#pragma once

#include <glog/logging.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "ps/optimizer/row_optimizer.h"

namespace sherd {

inline proto::Optimizer Spec(const std::function<void(proto::Optimizer*)>& fill) {
  proto::Optimizer spec;
  fill(&spec);
  return spec;
}

inline std::unique_ptr<RowOptimizer> Make(const proto::Optimizer& spec) {
  auto optimizer = MakeRowOptimizer(spec, "optimizer");
  CHECK(optimizer.ok()) << optimizer.status().text();
  return std::move(optimizer).value();
}

// Rows of one segment, weights then state, with floats before and after that nobody may touch.
class Rows {
 public:
  static constexpr float kGuard = 12345;

  Rows(const RowOptimizer* optimizer, std::uint32_t dim, std::vector<std::vector<float>> weights)
      : optimizer_(optimizer), dim_(dim), memory_(weights.size()) {
    for (std::size_t r = 0; r < weights.size(); ++r) {
      memory_[r].assign(1 + dim + optimizer->state_floats(dim) + 1, kGuard);
      std::copy(weights[r].begin(), weights[r].end(), memory_[r].begin() + 1);
      optimizer->Init(weights[r], memory_[r].data() + 1 + dim);
    }
  }

  void Update(const std::vector<std::vector<float>>& sums, float divisor = 1, float rate_scale = 1) {
    std::vector<float*> rows, states;
    std::vector<float> gradients;
    for (std::size_t r = 0; r < memory_.size(); ++r) {
      rows.push_back(memory_[r].data() + 1);
      states.push_back(rows.back() + dim_);
      gradients.insert(gradients.end(), sums[r].begin(), sums[r].end());
      gradients.push_back(kGuard);  // rows of gradients need not be adjacent
    }
    optimizer_->Update({.rows = rows, .states = states, .dim = dim_, .gradients = gradients.data(), .stride = dim_ + 1},
                       divisor, rate_scale, &scratch_);
    for (const auto& row : memory_) {
      EXPECT_EQ(row.front(), kGuard);
      EXPECT_EQ(row.back(), kGuard);
    }
  }

  void Restore(std::size_t row, const std::vector<float>& memory) { memory_[row] = memory; }

  float weight(std::size_t row, std::size_t i) const { return memory_[row][1 + i]; }
  float state(std::size_t row, std::size_t i) const { return memory_[row][1 + dim_ + i]; }
  const std::vector<float>& memory(std::size_t row) const { return memory_[row]; }

 private:
  const RowOptimizer* const optimizer_;
  const std::uint32_t dim_;
  std::vector<std::vector<float>> memory_;
  AlignedBuffer<float> scratch_;
};

// ---- steps worked out by hand --------------------------------------------------------------------------------------

}  // namespace sherd
