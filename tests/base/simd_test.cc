#include "base/simd.h"

#include <gtest/gtest.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/base/simd_test.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sherd {
namespace HWY_NAMESPACE {
std::int64_t CompiledFor() { return HWY_TARGET; }
// A fused multiply-add keeps the bits that a rounded product loses.
float FusedRest(float x) {
  const hwy::HWY_NAMESPACE::ScalableTag<float> d;
  const auto v = Set(d, x);
  return GetLane(MulSub(v, v, Set(d, x * x)));
}
}  // namespace HWY_NAMESPACE
}  // namespace sherd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sherd {
namespace {

HWY_EXPORT(CompiledFor);
HWY_EXPORT(FusedRest);

class SimdTest : public ::testing::Test {
 protected:
  ~SimdTest() override { CHECK(UseSimd(BestSimd()).ok()); }
};

TEST_F(SimdTest, KernelsRunWithTheTargetThatWasChosen) {
  const std::pair<const char*, std::int64_t> targets[] = {
      {"sse4", HWY_SSE4 | HWY_SSSE3}, {"avx2", HWY_AVX2}, {"avx512", HWY_AVX3}};
  const std::string best = BestSimd();
  for (const auto& [name, mask] : targets) {
    if (WorstSimd(name, best).value() != name) {
      EXPECT_EQ(UseSimd(name).code(), ErrorCode::kInvalid) << name;
      continue;
    }
    ASSERT_TRUE(UseSimd(name).ok()) << name;
    EXPECT_EQ(CurrentSimd(), name);
    EXPECT_NE(HWY_DYNAMIC_DISPATCH(CompiledFor)() & mask, 0) << name;
    EXPECT_EQ(BestSimd(), best);
  }
}

TEST_F(SimdTest, ATargetDecidesTheBitsOfASum) {
  if (BestSimd() == "sse4") GTEST_SKIP() << "this processor has one target";
  ASSERT_TRUE(UseSimd("sse4").ok());
  EXPECT_EQ(HWY_DYNAMIC_DISPATCH(FusedRest)(1.0f + 0x1p-23f), 0.0f);
  ASSERT_TRUE(UseSimd("avx2").ok());
  EXPECT_EQ(HWY_DYNAMIC_DISPATCH(FusedRest)(1.0f + 0x1p-23f), 0x1p-46f);
}

TEST_F(SimdTest, TheJobTakesTheWorstOfItsProcesses) {
  EXPECT_EQ(WorstSimd("avx512", "avx2").value(), "avx2");
  EXPECT_EQ(WorstSimd("sse4", "avx2").value(), "sse4");
  EXPECT_EQ(WorstSimd("avx512", "avx512").value(), "avx512");
}

TEST_F(SimdTest, UnknownNamesAreRefusedAndChangeNothing) {
  ASSERT_TRUE(UseSimd("sse4").ok());
  EXPECT_EQ(UseSimd("avx1024").code(), ErrorCode::kInvalid);
  EXPECT_FALSE(WorstSimd("avx2", "").ok());
  EXPECT_EQ(CurrentSimd(), "sse4");
}

}  // namespace
}  // namespace sherd
#endif  // HWY_ONCE
