#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ps/optimizer/adam_corrections.h"
#include "ps/optimizer/gradient.h"
#include "tests/ps/optimizer_rows.h"

namespace sherd {
namespace {

TEST(SgdTest, TwoStepsWithMomentum) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_sgd()->set_learning_rate(0.5);
    o->mutable_sgd()->set_momentum(0.5);
  }));
  Rows rows(optimizer.get(), 1, {{1}});
  rows.Update({{2}});  // buffer 2
  EXPECT_EQ(rows.weight(0, 0), 0);
  rows.Update({{1}});  // buffer 0.5 * 2 + 1 = 2
  EXPECT_EQ(rows.weight(0, 0), -1);
}

TEST(AdagradTest, TwoSteps) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_adagrad()->set_learning_rate(1);
    o->mutable_adagrad()->set_initial_accumulator(7);
    o->mutable_adagrad()->set_epsilon(0);
  }));
  Rows rows(optimizer.get(), 1, {{0}});
  rows.Update({{3}});  // sum 7 + 9 = 16, step 3 / 4
  EXPECT_EQ(rows.weight(0, 0), -0.75f);
  rows.Update({{-3}});  // sum 25, step -3 / 5
  EXPECT_FLOAT_EQ(rows.weight(0, 0), -0.15f);
  EXPECT_EQ(rows.state(0, 0), 25);
}

TEST(RowwiseAdagradTest, OneAccumulatorOfTheMeanSquare) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) { o->mutable_rowwise_adagrad()->set_learning_rate(2); }));
  ASSERT_EQ(optimizer->state_floats(16), 1u);
  Rows rows(optimizer.get(), 2, {{0, 0}});
  rows.Update({{1, 7}});  // mean of 1 and 49 is 25: both steps divide by 5
  EXPECT_FLOAT_EQ(rows.weight(0, 0), -0.4f);
  EXPECT_FLOAT_EQ(rows.weight(0, 1), -2.8f);
}

TEST(AdamTest, FirstStepIsTheRateWhateverTheGradient) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) { o->mutable_adam()->set_learning_rate(0.1); }));
  Rows rows(optimizer.get(), 2, {{0, 0}});
  rows.Update({{1e-3f, -40}});
  EXPECT_NEAR(rows.weight(0, 0), -0.1, 1e-5);
  EXPECT_NEAR(rows.weight(0, 1), 0.1, 1e-6);
}

// Adam on two rows: the step belongs to the row, not to "times called".
TEST(AdamTest, ARowThatComesLateTakesItsOwnFirstStep) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) { o->mutable_adam()->set_learning_rate(0.1); }));
  Rows early(optimizer.get(), 1, {{0}}), late(optimizer.get(), 1, {{0}});
  for (int i = 0; i < 50; ++i) early.Update({{1}});
  late.Update({{1}});
  EXPECT_NEAR(late.weight(0, 0), -0.1, 1e-6);
  EXPECT_EQ(early.state(0, 2), 50);
  EXPECT_EQ(late.state(0, 2), 1);
}

TEST(AdamTest, CorrectionsGoOnBeyondTheTable) {
  for (const double beta2 : {0.999, 0.9999999}) {
    const AdamCorrections corrections(0.9, beta2);
    for (const std::uint32_t t : {1u, 2u, 1000u, 65535u, 65536u, 1000000u, 16777216u}) {
      EXPECT_FLOAT_EQ(corrections.at(t).rate, 1 / (1 - std::pow(0.9, t))) << t;
      EXPECT_NEAR(corrections.at(t).root, std::sqrt(1 - std::pow(beta2, t)), 1e-6) << t;
    }
  }
}

TEST(AmsGradTest, KeepsTheGreatestSquare) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_amsgrad()->set_learning_rate(1);
    o->mutable_amsgrad()->set_beta1(0);
    o->mutable_amsgrad()->set_beta2(0.5);
  }));
  Rows rows(optimizer.get(), 1, {{0}});
  rows.Update({{4}});  // v = 8 = greatest; 8 / (1 - 0.5) = 16: step 4 / 4
  EXPECT_FLOAT_EQ(rows.weight(0, 0), -1);
  rows.Update({{0}});  // v = 4, greatest 8
  rows.Update({{1}});  // v = 2.5, greatest 8; 8 / (1 - 1/8): step 1 / sqrt(64 / 7)
  EXPECT_FLOAT_EQ(rows.weight(0, 0), -1 - std::sqrt(7.0f) / 8);
  EXPECT_EQ(rows.state(0, 1), 2.5f);
  EXPECT_EQ(rows.state(0, 2), 8);
  EXPECT_EQ(rows.state(0, 3), 3);
}

TEST(RmsPropTest, TwoStepsWithMomentum) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_rmsprop()->set_learning_rate(0.5);
    o->mutable_rmsprop()->set_decay(0.75);
    o->mutable_rmsprop()->set_momentum(0.5);
  }));
  Rows rows(optimizer.get(), 1, {{0}});
  rows.Update({{4}});  // v = 4, step 4 / 2, buffer 2
  EXPECT_FLOAT_EQ(rows.weight(0, 0), -1);
  rows.Update({{2}});  // v = 4, step 1, buffer 2
  EXPECT_FLOAT_EQ(rows.weight(0, 0), -2);
}

TEST(LambTest, TwoStepsOfTheRowsNormTimesTheRate) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_lamb()->set_learning_rate(0.5);
    o->mutable_lamb()->set_beta1(0);
    o->mutable_lamb()->set_beta2(0);
    o->mutable_lamb()->set_epsilon(0);
  }));
  Rows rows(optimizer.get(), 2, {{3, 4}, {0, 0}});
  rows.Update({{9, 0}, {2, 2}});  // update (1, 0): |w| = 5; no ratio for zeros, whose update is (1, 1)
  EXPECT_FLOAT_EQ(rows.weight(0, 0), 0.5f);
  EXPECT_FLOAT_EQ(rows.weight(0, 1), 4);
  EXPECT_FLOAT_EQ(rows.weight(1, 1), -0.5f);
  rows.Update({{0, -7}, {0, 0}});  // update (0, -1): |w| = sqrt(16.25); an update of zeros moves nothing
  EXPECT_FLOAT_EQ(rows.weight(0, 1), 4 + 0.5f * std::sqrt(16.25f));
  EXPECT_FLOAT_EQ(rows.weight(1, 1), -0.5f);
}

TEST(LarsTest, TwoSteps) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_lars()->set_learning_rate(1);
    o->mutable_lars()->set_momentum(0.5);
    o->mutable_lars()->set_trust(0.5);
    o->mutable_lars()->set_weight_decay(1);
  }));
  Rows rows(optimizer.get(), 2, {{3, 4}});
  rows.Update({{5, 0}});  // ratio 0.5 * 5 / (5 + 5) = 1/4 of (8, 4)
  EXPECT_FLOAT_EQ(rows.weight(0, 0), 1);
  EXPECT_FLOAT_EQ(rows.weight(0, 1), 3);
  rows.Update({{0, 0}});  // a gradient of zeros: ratio 1, buffer (1, 0.5) + (1, 3)
  EXPECT_FLOAT_EQ(rows.weight(0, 0), -1);
  EXPECT_FLOAT_EQ(rows.weight(0, 1), -0.5f);
}

TEST(FtrlTest, StaysZeroBelowLambda1AndLeavesItByTheExcess) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_ftrl()->set_alpha(0.5);
    o->mutable_ftrl()->set_beta(1);
    o->mutable_ftrl()->set_lambda1(3);
    o->mutable_ftrl()->set_lambda2(1);
  }));
  Rows rows(optimizer.get(), 1, {{0}});
  rows.Update({{2}});  // z = 2, n = 4
  EXPECT_EQ(rows.weight(0, 0), 0);
  rows.Update({{-6}});  // z = -4, n = 40
  EXPECT_FLOAT_EQ(rows.weight(0, 0), 1 / ((1 + std::sqrt(40.0f)) / 0.5f + 1));
}

TEST(FtrlTest, FirstWeightsAreReproducedAndAChangeOfRateMovesNothing) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_ftrl()->set_lambda1(0.25);
    o->mutable_ftrl()->set_lambda2(0.5);
  }));
  Rows rows(optimizer.get(), 3, {{0.5f, -2, 0}});
  for (const float scale : {0.0f, 0.125f, 1.0f, 0.01f}) {
    rows.Update({{0, 0, 0}}, 1, scale);
    EXPECT_NEAR(rows.weight(0, 0), 0.5, 1e-5);
    EXPECT_NEAR(rows.weight(0, 1), -2, 1e-5);
    EXPECT_EQ(rows.weight(0, 2), 0);
  }
}

TEST(MovingAverageTest, TakesItsShareWhateverTheRate) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) { o->mutable_moving_average()->set_momentum(0.75); }));
  Rows rows(optimizer.get(), 1, {{4}});
  rows.Update({{24}}, 3, 0);  // the mean is 8
  EXPECT_EQ(rows.weight(0, 0), 5);
}

TEST(GradientRulesTest, DividesThenDecaysThenClips) {
  const auto plain = Make(Spec([](proto::Optimizer* o) {
    o->mutable_sgd()->set_learning_rate(1);
    o->set_l2(0.5);
  }));
  Rows decayed(plain.get(), 2, {{2, 4}});
  decayed.Update({{8, 0}}, 4);  // 8 / 4 + 0.5 * 2 = 3; 0 + 0.5 * 4 = 2
  EXPECT_EQ(decayed.weight(0, 0), -1);
  EXPECT_EQ(decayed.weight(0, 1), 2);

  const auto clipping = Make(Spec([](proto::Optimizer* o) {
    o->mutable_sgd()->set_learning_rate(1);
    o->set_clip_norm(1);
  }));
  Rows clipped(clipping.get(), 2, {{0, 0}, {0, 0}});
  clipped.Update({{3e30f, 4e30f}, {0.3f, 0.4f}});  // the square of the first is beyond a float
  EXPECT_FLOAT_EQ(clipped.weight(0, 0), -0.6f);
  EXPECT_FLOAT_EQ(clipped.weight(0, 1), -0.8f);
  EXPECT_EQ(clipped.weight(1, 0), -0.3f);
}

TEST(GradientRulesTest, L1PushesToZeroAndLeavesZeroAlone) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_sgd()->set_learning_rate(1);
    o->set_l1(0.25);
  }));
  Rows rows(optimizer.get(), 3, {{2, -2, 0}});
  rows.Update({{0, 0, 0}});
  EXPECT_EQ(rows.weight(0, 0), 1.75f);
  EXPECT_EQ(rows.weight(0, 1), -1.75f);
  EXPECT_EQ(rows.weight(0, 2), 0);
}

TEST(GradientRulesTest, WeightsDecayByTheRateOutsideTheGradient) {
  const auto optimizer = Make(Spec([](proto::Optimizer* o) {
    o->mutable_adagrad()->set_learning_rate(0.5);
    o->set_weight_decay(0.5);
  }));
  Rows rows(optimizer.get(), 2, {{8, 8}});
  rows.Update({{0, 3}}, 1, 0.5f);  // 8 * (1 - 0.5 * 0.5 * 0.5) = 7; the step 0.25 * 3 / 3
  EXPECT_EQ(rows.weight(0, 0), 7);
  EXPECT_EQ(rows.weight(0, 1), 6.75f);
}

}  // namespace
}  // namespace sherd
