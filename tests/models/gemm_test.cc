#include "models/nn/gemm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/simd.h"
#include "tests/models/testing_graph.h"

namespace sherd::nn {
namespace {

// oneDNN takes its limit once a process. So that its products for lesser processors are tested too, ctest runs this
// program again in processes that begin with a lesser target.
class Target : public testing::Environment {
 public:
  void SetUp() override {
    const char* const simd = std::getenv("SHERD_TEST_SIMD");
    if (simd != nullptr && !UseSimd(simd).ok()) GTEST_SKIP() << "this processor has no " << simd;
  }
};
const testing::Environment* const kTarget = testing::AddGlobalTestEnvironment(new Target);

TEST(GemmInstructionsTest, AreThoseOfTheTarget) {
  const std::map<std::string, std::string> names = {{"sse4", "sse41"}, {"avx2", "avx2"}, {"avx512", "avx512_core"}};
  EXPECT_THAT(GemmInstructions(), testing::HasSubstr(names.at(CurrentSimd())));
  EXPECT_TRUE(CurrentSimd() == "avx512" || !HasBf16Gemm());
}

struct Case {
  std::size_t m, n, k;
};

class GemmTest : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, GemmTest,
                         testing::Values(Case{1, 1, 1}, Case{5, 3, 7}, Case{64, 400, 33}, Case{129, 1, 65},
                                         Case{1, 40, 77}, Case{3, 3, 0}, Case{0, 4, 4}, Case{130, 70, 513}));

// Every transposition, adding or not, with rows that are longer than what they hold; against the definition.
TEST_P(GemmTest, FloatIsTheDefinition) {
  const auto [m, n, k] = GetParam();
  for (int variant = 0; variant < 8; ++variant) {
    const bool ta = variant & 1, tb = variant & 2, add = variant & 4;
    const std::size_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 5, ldc = n + 2;
    std::vector<float> a((ta ? k : m) * lda + 1), b((tb ? n : k) * ldb + 1), c(m * ldc + 1);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(Value(1, i));
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(Value(2, i));
    for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(Value(3, i));
    const std::vector<float> before = c;
    Gemm(ta ? Transpose::kYes : Transpose::kNo, tb ? Transpose::kYes : Transpose::kNo, m, n, k, a.data(), lda, b.data(),
         ldb, add ? Accumulate::kYes : Accumulate::kNo, c.data(), ldc);
    for (std::size_t i = 0; i < c.size(); ++i) {
      const std::size_t row = i / ldc, col = i % ldc;
      if (row >= m || col >= n) {
        ASSERT_EQ(c[i], before[i]) << "written outside of the matrix";
        continue;
      }
      double sum = add ? before[i] : 0;
      for (std::size_t l = 0; l < k; ++l) {
        sum +=
            static_cast<double>(ta ? a[l * lda + row] : a[row * lda + l]) * (tb ? b[col * ldb + l] : b[l * ldb + col]);
      }
      ASSERT_NEAR(c[i], sum, 2e-6 * (1 + std::sqrt(static_cast<double>(k))))
          << "variant " << variant << " at " << row << ", " << col;
    }
  }
}

TEST_P(GemmTest, DoubleAndFloatAgree) {
  const auto [m, n, k] = GetParam();
  std::vector<float> a(m * k + 1), b(n * k + 1), c(m * n + 1);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(Value(1, i));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(Value(2, i));
  const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
  std::vector<double> wide_c(m * n + 1);
  Gemm(Transpose::kNo, Transpose::kYes, m, n, k, a.data(), k + (k == 0), b.data(), k + (k == 0), Accumulate::kNo,
       c.data(), n);
  Gemm(Transpose::kNo, Transpose::kYes, m, n, k, wide_a.data(), k, wide_b.data(), k, Accumulate::kNo, wide_c.data(), n);
  for (std::size_t i = 0; i < m * n; ++i) ASSERT_NEAR(c[i], wide_c[i], 2e-6 * (1 + std::sqrt(static_cast<double>(k))));
}

}  // namespace
}  // namespace sherd::nn
