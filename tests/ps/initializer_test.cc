#include "ps/initializer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/simd.h"

namespace sherd {
namespace {

Initializer Make(proto::Initializer::Kind kind, double scale, std::uint32_t in = 16, std::uint32_t out = 16) {
  proto::Initializer spec;
  spec.set_kind(kind);
  spec.set_scale(scale);
  return Initializer(spec, in, out);
}

std::uint32_t Bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

std::vector<float> Draw(const Initializer& initializer, std::uint64_t stream, std::size_t n) {
  std::vector<float> values(n);
  initializer.Fill(stream, 0, values);
  return values;
}

// Changing these changes every row that has not been pushed to: a decision, not an accident.
TEST(InitializerTest, GoldenBits) {
  const std::uint64_t row = RowStream(TableStream(1, "embedding"), 42);
  const std::uint64_t tensor = TensorStream(1, "tower/0/weight");
  EXPECT_EQ(row, 0x68b1955c870797b9ull);
  EXPECT_EQ(tensor, 0x89f1412d04e759bbull);
  const auto normal = Draw(Make(proto::Initializer::NORMAL, 0.01), row, 2);
  const auto uniform = Draw(Make(proto::Initializer::UNIFORM, 0.5), row, 2);
  const auto xavier = Draw(Make(proto::Initializer::XAVIER, 1, 100, 50), tensor, 2);
  EXPECT_EQ(Bits(normal[0]), 0xbc449251u);
  EXPECT_EQ(Bits(normal[1]), 0xbb1b8180u);
  EXPECT_EQ(Bits(uniform[0]), 0xbe824bd0u);
  EXPECT_EQ(Bits(uniform[1]), 0xbe28d2a8u);
  EXPECT_EQ(Bits(xavier[0]), 0x3d2dd120u);
  EXPECT_EQ(Bits(xavier[1]), 0x3e3102f5u);
}

// What the vectors must give, one element at a time.
float Scalar(proto::Initializer::Kind kind, double scale, std::uint64_t stream, std::uint64_t element) {
  if (kind == proto::Initializer::CONSTANT) return static_cast<float>(scale);
  if (kind == proto::Initializer::UNIFORM) {
    return static_cast<float>((2.0 * UnitFloat(Mix(stream, element)) - 1.0) * scale);
  }
  std::int64_t sum = 0;
  for (const std::uint64_t hash : {Mix(stream, 2 * element), Mix(stream, 2 * element + 1)}) {
    for (int shift = 0; shift < 64; shift += 16) sum += static_cast<std::int64_t>(hash >> shift & 0xffff);
  }
  return static_cast<float>(static_cast<double>(sum - 4 * 65535) *
                            (scale / std::sqrt(8.0 * (65536.0 * 65536.0 - 1) / 12)));
}

TEST(InitializerTest, EverySimdTargetGivesTheBitsOfTheScalarFormula) {
  for (const std::string target : {"sse4", "avx2", "avx512"}) {
    if (!UseSimd(target).ok()) continue;
    for (const auto kind : {proto::Initializer::CONSTANT, proto::Initializer::UNIFORM, proto::Initializer::NORMAL}) {
      const Initializer initializer = Make(kind, 0.037);
      for (std::size_t n = 1; n <= 40; ++n) {
        const std::vector<std::uint64_t> streams = {Mix(n), ~0ull - n, n};
        const std::uint64_t first = n % 3 == 0 ? ~0ull - 20 : n;  // also across the end of the numbers
        const auto expect_row = [&](std::size_t r, const std::vector<float>& row, std::size_t begin,
                                    std::uint64_t from) {
          for (std::size_t i = 0; i < row.size(); ++i) {
            const bool ours = i >= begin && i < begin + n;
            const float expected = ours ? Scalar(kind, 0.037, streams[r], from + i - begin) : 7;
            ASSERT_EQ(Bits(row[i]), Bits(expected)) << target << kind << " " << i;
          }
        };
        std::vector<std::vector<float>> rows(streams.size(), std::vector<float>(n + n + 1, 7));
        std::vector<float*> outs;
        for (auto& row : rows) outs.push_back(row.data());
        initializer.FillRows(streams, n, n, outs);
        for (std::size_t r = 0; r < rows.size(); ++r) {
          expect_row(r, rows[r], n, n);
          initializer.Fill(streams[r], first, {rows[r].data() + n, n});
          expect_row(r, rows[r], n, first);
        }
      }
    }
  }
  ASSERT_TRUE(UseSimd(BestSimd()).ok());
}

TEST(InitializerTest, ElementsDoNotDependOnHowTheyAreAskedFor) {
  const Initializer normal = Make(proto::Initializer::NORMAL, 1);
  const std::vector<float> whole = Draw(normal, 5, 100);
  std::vector<float> part(30);
  normal.Fill(5, 50, part);
  for (std::size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part[i], whole[50 + i]);
}

TEST(InitializerTest, NormalHasItsMomentsAndTails) {
  constexpr std::size_t kDraws = 400000;
  const std::vector<float> values = Draw(Make(proto::Initializer::NORMAL, 2), 9, kDraws);
  double sum = 0, squares = 0, fourth = 0;
  std::size_t beyond2 = 0, beyond3 = 0;
  for (const double v : values) {
    sum += v;
    squares += v * v;
    fourth += v * v * v * v;
    beyond2 += std::abs(v) > 4;
    beyond3 += std::abs(v) > 6;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(std::sqrt(squares / kDraws), 2, 0.01);
  EXPECT_NEAR(fourth / kDraws / 16, 3 - 1.2 / 8, 0.05);  // a sum of eight uniforms: kurtosis 3 - 1.2 / 8
  EXPECT_NEAR(static_cast<double>(beyond2) / kDraws, 0.0455, 0.003);
  EXPECT_NEAR(static_cast<double>(beyond3) / kDraws, 0.0022, 0.0007);
}

TEST(InitializerTest, UniformAndXavierFillTheirRange) {
  const auto range = [](const std::vector<float>& values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return std::pair(*low, *high);
  };
  const auto [low, high] = range(Draw(Make(proto::Initializer::UNIFORM, 0.25), 3, 200000));
  EXPECT_GE(low, -0.25f);
  EXPECT_LE(high, 0.25f);
  EXPECT_LT(low, -0.2499f);
  EXPECT_GT(high, 0.2499f);
  const auto [xlow, xhigh] = range(Draw(Make(proto::Initializer::XAVIER, 1, 4, 2), 3, 200000));
  EXPECT_NEAR(xlow, -1, 1e-3);
  EXPECT_NEAR(xhigh, 1, 1e-3);
}

TEST(InitializerTest, SeedTableAndKeyEachChangeTheRow) {
  const std::uint64_t row = RowStream(TableStream(1, "a"), 7);
  EXPECT_NE(row, RowStream(TableStream(2, "a"), 7));
  EXPECT_NE(row, RowStream(TableStream(1, "b"), 7));
  EXPECT_NE(row, RowStream(TableStream(1, "a"), 8));
  EXPECT_NE(TensorStream(1, "a"), TableStream(1, "a"));
  EXPECT_EQ(Draw(Make(proto::Initializer::CONSTANT, 0.5), row, 3), std::vector<float>(3, 0.5f));
  EXPECT_EQ(Draw(Make(proto::Initializer::ZERO, 0.5), row, 3), std::vector<float>(3, 0));
}

}  // namespace
}  // namespace sherd
