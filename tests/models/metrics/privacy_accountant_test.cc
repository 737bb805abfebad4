#include "models/metrics/privacy_accountant.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sherd {
namespace {

// What TensorFlow Privacy's compute_dp_sgd_privacy_test expects of its accountant of Rényi divergences.
struct Published {
  double rows, batch, noise, epochs, delta, epsilon, tolerance;
};

TEST(PrivacyAccountantTest, AgreesWithPublishedValues) {
  for (const Published& p :
       {Published{60000, 150, 1.3, 15, 1e-5, 0.7242234, 1e-6}, Published{100000, 100, 1.0, 30, 1e-7, 1.4154988, 1e-6},
        Published{100, 1, 0.7, 1.2, 1e-5, 3.2392676, 1e-3}}) {
    const double rate = p.batch / p.rows;
    EXPECT_NEAR(PrivacyAccountant(rate, p.noise).Epsilon(p.epochs / rate, p.delta), p.epsilon, p.tolerance) << p.rows;
  }
}

// Without sampling it is the Gaussian mechanism: the divergence of order a is a / (2 s^2) a step.
TEST(PrivacyAccountantTest, AllRowsInEachStepAreTheGaussianMechanism) {
  constexpr double kNoise = 4, kSteps = 10, kDelta = 1e-6;
  double best = 1e9;
  for (double a = 1.1; a < 60; a += 0.1) {
    best = std::min(best, kSteps * a / (2 * kNoise * kNoise) + std::log1p(-1 / a) - std::log(kDelta * a) / (a - 1));
  }
  EXPECT_NEAR(PrivacyAccountant(1, kNoise).Epsilon(kSteps, kDelta), best, 1e-6);
}

TEST(PrivacyAccountantTest, MoreStepsMoreRowsAndLessNoiseGiveMoreAway) {
  const double epsilon = PrivacyAccountant(0.01, 1).Epsilon(1000, 1e-5);
  EXPECT_GT(PrivacyAccountant(0.01, 1).Epsilon(2000, 1e-5), epsilon);
  EXPECT_GT(PrivacyAccountant(0.02, 1).Epsilon(1000, 1e-5), epsilon);
  EXPECT_GT(PrivacyAccountant(0.01, 0.9).Epsilon(1000, 1e-5), epsilon);
  EXPECT_GT(PrivacyAccountant(0.01, 1).Epsilon(1000, 1e-6), epsilon);
  EXPECT_EQ(PrivacyAccountant(1e-6, 100).Epsilon(1, 0.4), 0);
}

}  // namespace
}  // namespace sherd
