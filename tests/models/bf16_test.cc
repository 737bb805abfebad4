#include "models/nn/bf16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "models/nn/gemm.h"
#include "models/nn/linear.h"
#include "tests/models/testing_graph.h"

namespace sherd::nn {
namespace {

float ToFloat(Bf16 half) { return std::bit_cast<float>(std::uint32_t{half} << 16); }

Bf16 Rounded(float x) {
  Bf16 half = 0;
  RoundToBf16({&x, 1, 1, 1}, &half, 1);
  return half;
}

double Round(double x) { return ToFloat(Rounded(static_cast<float>(x))); }

TEST(Bf16Test, RoundsToTheNearestTiesToEven) {
  EXPECT_EQ(ToFloat(Rounded(1.0f)), 1.0f);
  EXPECT_EQ(ToFloat(Rounded(1 + 0x1p-8f)), 1.0f);            // a tie
  EXPECT_EQ(ToFloat(Rounded(1 + 0x1.8p-7f)), 1 + 0x1p-6f);   // a tie
  EXPECT_EQ(ToFloat(Rounded(1 + 0x1.01p-8f)), 1 + 0x1p-7f);  // just above
  EXPECT_EQ(ToFloat(Rounded(-3.14159f)), -3.140625f);
  EXPECT_TRUE(std::isinf(ToFloat(Rounded(std::numeric_limits<float>::max()))));
  EXPECT_TRUE(std::isinf(ToFloat(Rounded(std::numeric_limits<float>::infinity()))));
  EXPECT_TRUE(std::isnan(ToFloat(Rounded(std::bit_cast<float>(0x7fffffffu)))));
  EXPECT_TRUE(std::isnan(ToFloat(Rounded(std::bit_cast<float>(0xff800001u)))));
  EXPECT_EQ(Rounded(-0.0f), 0x8000);
}

TEST(Bf16Test, RoundsWhereverAColumnStands) {
  constexpr std::size_t kRows = 3, kCols = 37, kStride = 40, kOut = 41;
  std::vector<float> x(kRows * kStride);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(Value(1, i));
  std::vector<Bf16> out(kRows * kOut, 7);
  RoundToBf16({x.data(), kStride, kRows, kCols}, out.data(), kOut);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t row = i / kOut, col = i % kOut;
    ASSERT_EQ(out[i], col < kCols ? Rounded(x[row * kStride + col]) : 7) << row << ", " << col;
  }
}

TEST(Bf16Test, ActivationGradientIsThatOfTheKernelsRounded) {
  constexpr std::uint32_t kRows = 5, kCols = 37;
  constexpr std::size_t kStride = 40;
  for (const Nonlinearity f :
       {Nonlinearity::kIdentity, Nonlinearity::kRelu, Nonlinearity::kTanh, Nonlinearity::kSigmoid}) {
    std::vector<float> y(kRows * kStride), dy(y.size()), bias(kCols, 9), plain_bias(kCols);
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = static_cast<float>(Value(1, i));
      dy[i] = static_cast<float>(Value(2, i));
    }
    std::vector<float> plain = dy;
    Kernels<float>::Best().activation_gradient(y.data(), {plain.data(), kStride, kRows, kCols}, plain_bias.data(), f);
    RoundedActivationGradient(y.data(), {dy.data(), kStride, kRows, kCols}, bias.data(), f);
    EXPECT_EQ(bias, plain_bias);
    const Bf16* const rounded = reinterpret_cast<const Bf16*>(dy.data());
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t c = 0; c < kCols; ++c)
        ASSERT_EQ(ToFloat(rounded[r * 2 * kStride + c]), Round(plain[r * kStride + c]));
      EXPECT_EQ(dy[r * kStride + kCols], static_cast<float>(Value(2, r * kStride + kCols))) << "beyond the row";
    }
  }
}

struct Shape {
  std::size_t m, n, k;
};

// Every transposition, adding or not, with rows that are longer than what they hold; against the definition.
TEST(Bf16GemmTest, IsTheDefinition) {
  if (!HasBf16Gemm()) GTEST_SKIP() << "no AVX512_BF16";
  for (const auto& [m, n, k] : {Shape{1, 1, 1}, Shape{5, 3, 7}, Shape{64, 400, 33}, Shape{129, 1, 65}, Shape{1, 40, 77},
                                Shape{3, 3, 0}, Shape{0, 4, 4}, Shape{130, 70, 513}}) {
    for (int variant = 0; variant < 8; ++variant) {
      const bool ta = variant & 1, tb = variant & 2, add = variant & 4;
      const std::size_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 5, ldc = n + 2;
      std::vector<Bf16> a((ta ? k : m) * lda + 1), b((tb ? n : k) * ldb + 1);
      std::vector<float> c(m * ldc + 1);
      for (std::size_t i = 0; i < a.size(); ++i) a[i] = Rounded(static_cast<float>(Value(1, i)));
      for (std::size_t i = 0; i < b.size(); ++i) b[i] = Rounded(static_cast<float>(Value(2, i)));
      for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(Value(3, i));
      const std::vector<float> before = c;
      Gemm(ta ? Transpose::kYes : Transpose::kNo, tb ? Transpose::kYes : Transpose::kNo, m, n, k, a.data(), lda,
           b.data(), ldb, add ? Accumulate::kYes : Accumulate::kNo, c.data(), ldc);
      for (std::size_t i = 0; i < c.size(); ++i) {
        const std::size_t row = i / ldc, col = i % ldc;
        if (row >= m || col >= n) {
          ASSERT_EQ(c[i], before[i]) << "written outside of the matrix";
          continue;
        }
        double sum = add ? before[i] : 0;
        for (std::size_t l = 0; l < k; ++l) {
          sum += static_cast<double>(ToFloat(ta ? a[l * lda + row] : a[row * lda + l])) *
                 ToFloat(tb ? b[col * ldb + l] : b[l * ldb + col]);
        }
        ASSERT_NEAR(c[i], sum, 2e-6 * (1 + std::sqrt(static_cast<double>(k)))) << "variant " << variant;
      }
    }
  }
}

// A linear layer over a leaf, its parameters filled, and one step of it with dy = Value(5, element).
struct LinearRun {
  static constexpr std::uint32_t kRows = 7, kIn = 19, kUnits = 35;
  Graph<float> graph;
  Activation<float>* y;
  Batch<float> batch;

  explicit LinearRun(Precision precision) {
    Activation<float>* x = Leaf(&graph, "x", kRows, kIn);
    y = Linear(&graph, "y", x, {.units = kUnits, .precision = precision, .nonlinearity = Nonlinearity::kRelu});
    graph.Build(y, kRows);
    for (std::size_t i = 0; i < graph.parameters().size(); ++i) graph.parameters()[i] = static_cast<float>(Value(4, i));
    const Step<float> step{
        .batch = &batch, .rows = kRows, .training = true, .seed = 1, .kernels = &Kernels<float>::Best()};
    graph.Forward(step);
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t c = 0; c < kUnits; ++c) y->gradient[r * y->stride + c] = Gradient(r, c);
    }
    graph.Backward(step);
  }
  static float Gradient(std::size_t r, std::size_t c) { return static_cast<float>(Value(5, r * kUnits + c)); }
  // Of the flat arrays, where tensors begin at multiples of 16.
  static constexpr std::size_t kWeight = (kRows * kIn + 15) / 16 * 16, kBias = kWeight + (kIn * kUnits + 15) / 16 * 16;
};

// Products of rounded factors, exactly: neither unrounded ones nor rounded sums come so near.
TEST(Bf16LinearTest, IsTheFormulaOnRoundedFactors) {
  if (!HasBf16Gemm()) GTEST_SKIP() << "no AVX512_BF16";
  LinearRun run(Precision::kBf16);
  const auto x = [&](std::size_t r, std::size_t i) { return Round(run.graph.parameters()[r * LinearRun::kIn + i]); };
  const auto w = [&](std::size_t i, std::size_t c) {
    return Round(run.graph.parameters()[LinearRun::kWeight + i * LinearRun::kUnits + c]);
  };
  std::vector<double> dz(LinearRun::kRows * LinearRun::kUnits);
  for (std::size_t r = 0; r < LinearRun::kRows; ++r) {
    for (std::size_t c = 0; c < LinearRun::kUnits; ++c) {
      double z = run.graph.parameters()[LinearRun::kBias + c];
      for (std::size_t i = 0; i < LinearRun::kIn; ++i) z += x(r, i) * w(i, c);
      ASSERT_NEAR(run.y->data[r * run.y->stride + c], std::max(z, 0.0), 2e-6);
      dz[r * LinearRun::kUnits + c] = z > 0 ? Round(LinearRun::Gradient(r, c)) : 0;
    }
  }
  for (std::size_t i = 0; i < LinearRun::kIn; ++i) {
    for (std::size_t c = 0; c < LinearRun::kUnits; ++c) {
      double sum = 0;
      for (std::size_t r = 0; r < LinearRun::kRows; ++r) sum += x(r, i) * dz[r * LinearRun::kUnits + c];
      ASSERT_NEAR(run.graph.gradients()[LinearRun::kWeight + i * LinearRun::kUnits + c], sum, 2e-6);
    }
    for (std::size_t r = 0; r < LinearRun::kRows; ++r) {
      double sum = 0;
      for (std::size_t c = 0; c < LinearRun::kUnits; ++c) sum += dz[r * LinearRun::kUnits + c] * w(i, c);
      ASSERT_NEAR(run.graph.gradients()[r * LinearRun::kIn + i], sum, 5e-6);
    }
  }
}

TEST(Bf16LinearTest, IsNearTheLayerOfFloats) {
  if (!HasBf16Gemm()) GTEST_SKIP() << "no AVX512_BF16";
  const LinearRun rounded(Precision::kBf16), plain(Precision::kFloat);
  for (std::size_t r = 0; r < LinearRun::kRows; ++r) {
    for (std::size_t c = 0; c < LinearRun::kUnits; ++c)
      ASSERT_NEAR(rounded.y->data[r * rounded.y->stride + c], plain.y->data[r * plain.y->stride + c], 0.03);
  }
}

}  // namespace
}  // namespace sherd::nn
