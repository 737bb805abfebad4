#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/hash.h"
#include "ps/optimizer/row_optimizer.h"
#include "tests/ps/reference/optimizers.h"

namespace sherd {
namespace {

constexpr std::size_t kRows = 3;
constexpr std::uint32_t kDim = 5;

// As in optimizers.py.
float Value(std::uint64_t step, std::size_t i) { return 2 * UnitFloat(Mix(77, step, i)) - 1; }

std::vector<float> LastWeights(const RowOptimizer& optimizer) {
  const std::size_t floats = kDim + optimizer.state_floats(kDim);
  std::vector<float> memory(kRows * floats), gradients(kRows * kDim), last;
  std::vector<float*> rows, states;
  AlignedBuffer<float> scratch;
  for (std::size_t r = 0; r < kRows; ++r) {
    float* const row = rows.emplace_back(memory.data() + r * floats);
    for (std::size_t i = 0; i < kDim; ++i) row[i] = Value(1000, r * kDim + i);
    optimizer.Init({row, kDim}, states.emplace_back(row + kDim));
  }
  for (std::uint64_t step = 0; step < 100; ++step) {
    for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] = Value(step, i);
    optimizer.Update({.rows = rows, .states = states, .dim = kDim, .gradients = gradients.data(), .stride = kDim}, 1, 1,
                     &scratch);
  }
  for (const float* row : rows) last.insert(last.end(), row, row + kDim);
  return last;
}

TEST(OptimizerReferenceTest, AHundredStepsEndWherePyTorchAndNumpyDo) {
  for (const auto& [text, expected] : reference::kLastWeights) {
    proto::Optimizer spec;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
    const auto optimizer = MakeRowOptimizer(spec, "optimizer");
    ASSERT_TRUE(optimizer.ok()) << optimizer.status().text();
    const std::vector<float> last = LastWeights(**optimizer);
    ASSERT_EQ(last.size(), expected.size());
    for (std::size_t i = 0; i < last.size(); ++i) EXPECT_NEAR(last[i], expected[i], 3e-5) << text << " " << i;
  }
}

}  // namespace
}  // namespace sherd
