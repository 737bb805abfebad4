#include "worker/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace sherd {
namespace {

TEST(ClockFactorTest, WithoutAScheduleTheRateStaysAfterTheWarmUp) {
  proto::LearningRate rate;
  EXPECT_EQ(ClockFactor(rate, 0), 1);
  rate.set_warmup_clocks(4);
  EXPECT_EQ(ClockFactor(rate, 0), 0.25);
  EXPECT_EQ(ClockFactor(rate, 2), 0.75);
  for (const std::uint64_t clock : {3u, 4u, 1000000u}) EXPECT_EQ(ClockFactor(rate, clock), 1);
}

TEST(ClockFactorTest, StepsCountFromTheEndOfTheWarmUp) {
  proto::LearningRate rate;
  rate.set_warmup_clocks(4);
  rate.mutable_step()->set_clocks(10);
  rate.mutable_step()->set_factor(0.5);
  EXPECT_EQ(ClockFactor(rate, 1), 0.5);
  EXPECT_EQ(ClockFactor(rate, 13), 1);
  EXPECT_EQ(ClockFactor(rate, 14), 0.5);
  EXPECT_EQ(ClockFactor(rate, 23), 0.5);
  EXPECT_EQ(ClockFactor(rate, 34), 0.125);
  EXPECT_EQ(ClockFactor(rate, ~0ull - 1), 0);
}

TEST(ClockFactorTest, CosineFallsToItsFloorAndStaysThere) {
  proto::LearningRate rate;
  rate.set_warmup_clocks(100);
  rate.mutable_cosine()->set_clocks(1000);
  rate.mutable_cosine()->set_floor(0.25);
  EXPECT_EQ(ClockFactor(rate, 99), 1);
  for (std::uint64_t since = 0; since <= 1000; ++since) {
    const double cosine = std::cos(std::numbers::pi * static_cast<double>(since) / 1000);
    EXPECT_NEAR(ClockFactor(rate, 100 + since), 0.25 + 0.75 * (1 + cosine) / 2, 1e-14) << since;
  }
  EXPECT_EQ(ClockFactor(rate, 1100), 0.25);
  EXPECT_EQ(ClockFactor(rate, 5000), 0.25);
}

}  // namespace
}  // namespace sherd
