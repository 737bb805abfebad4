#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/simd.h"
#include "ps/optimizer/adam_corrections.h"
#include "ps/optimizer/gradient.h"
#include "ps/optimizer/row_optimizer.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

proto::Optimizer Spec(const std::function<void(proto::Optimizer*)>& fill) {
  proto::Optimizer spec;
  fill(&spec);
  return spec;
}

std::unique_ptr<RowOptimizer> Make(const proto::Optimizer& spec) {
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
    std::vector<float*> rows;
    std::vector<float> gradients;
    for (std::size_t r = 0; r < memory_.size(); ++r) {
      rows.push_back(memory_[r].data() + 1);
      gradients.insert(gradients.end(), sums[r].begin(), sums[r].end());
      gradients.push_back(kGuard);  // rows of gradients need not be adjacent
    }
    optimizer_->Update(
        {.rows = rows, .weights = 0, .state = dim_, .dim = dim_, .gradients = gradients.data(), .stride = dim_ + 1},
        divisor, rate_scale, &scratch_);
    for (const auto& row : memory_) {
      EXPECT_EQ(row.front(), kGuard);
      EXPECT_EQ(row.back(), kGuard);
    }
  }

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

// ---- every kind against its formula in double ----------------------------------------------------------------------

// One row in double: w and whatever else the formula keeps.
using Twin = std::function<void(std::vector<double>* w, std::vector<double>* state, const std::vector<double>& g)>;

struct Kind {
  std::string name;
  proto::Optimizer spec;
  Twin twin;
};

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds;
  kinds.push_back({"sgd", Spec([](auto* o) {
                     o->mutable_sgd()->set_learning_rate(0.05);
                     o->mutable_sgd()->set_momentum(0.9);
                   }),
                   [](auto* w, auto* s, const auto& g) {
                     for (std::size_t i = 0; i < g.size(); ++i) {
                       (*s)[i] = 0.9 * (*s)[i] + g[i];
                       (*w)[i] -= 0.05 * (*s)[i];
                     }
                   }});
  kinds.push_back({"adagrad", Spec([](auto* o) { o->mutable_adagrad()->set_learning_rate(0.1); }),
                   [](auto* w, auto* s, const auto& g) {
                     for (std::size_t i = 0; i < g.size(); ++i) {
                       (*s)[i] += g[i] * g[i];
                       (*w)[i] -= 0.1 * g[i] / (std::sqrt((*s)[i]) + 1e-10);
                     }
                   }});
  kinds.push_back({"rowwise_adagrad", Spec([](auto* o) { o->mutable_rowwise_adagrad()->set_learning_rate(0.1); }),
                   [](auto* w, auto* s, const auto& g) {
                     double squares = 0;
                     for (const double x : g) squares += x * x;
                     (*s)[0] += squares / static_cast<double>(g.size());
                     for (std::size_t i = 0; i < g.size(); ++i) (*w)[i] -= 0.1 * g[i] / (std::sqrt((*s)[0]) + 1e-10);
                   }});
  kinds.push_back(
      {"adam", Spec([](auto* o) { o->mutable_adam()->set_learning_rate(0.01); }), [](auto* w, auto* s, const auto& g) {
         const std::size_t n = g.size();
         const double t = ++(*s)[2 * n];
         for (std::size_t i = 0; i < n; ++i) {
           double &m = (*s)[i], &v = (*s)[n + i];
           m = 0.9 * m + 0.1 * g[i];
           v = 0.999 * v + 0.001 * g[i] * g[i];
           (*w)[i] -= 0.01 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
         }
       }});
  // As the paper's algorithm 1 has it, with sigma.
  kinds.push_back({"ftrl", Spec([](auto* o) {
                     o->mutable_ftrl()->set_alpha(0.2);
                     o->mutable_ftrl()->set_beta(0.5);
                     o->mutable_ftrl()->set_lambda1(0.3);
                     o->mutable_ftrl()->set_lambda2(0.1);
                   }),
                   [](auto* w, auto* s, const auto& g) {
                     const std::size_t count = g.size();
                     for (std::size_t i = 0; i < count; ++i) {
                       double &z = (*s)[i], &n = (*s)[count + i];
                       const double sigma = (std::sqrt(n + g[i] * g[i]) - std::sqrt(n)) / 0.2;
                       z += g[i] - sigma * (*w)[i];
                       n += g[i] * g[i];
                       const double sign = z < 0 ? -1 : 1;
                       (*w)[i] = std::abs(z) <= 0.3 ? 0 : -(z - sign * 0.3) / ((0.5 + std::sqrt(n)) / 0.2 + 0.1);
                     }
                   }});
  kinds.push_back({"moving_average", Spec([](auto* o) { o->mutable_moving_average()->set_momentum(0.9); }),
                   [](auto* w, auto*, const auto& g) {
                     for (std::size_t i = 0; i < g.size(); ++i) (*w)[i] = 0.9 * (*w)[i] + 0.1 * g[i];
                   }});
  return kinds;
}

// In [-1, 1), different for each step and element.
float Gradient(int step, std::size_t i) { return 2 * UnitFloat(Mix(77, static_cast<std::uint64_t>(step), i)) - 1; }

TEST(RowOptimizerTest, AHundredStepsStayWithTheFormulaInDouble) {
  for (const Kind& kind : Kinds()) {
    const auto optimizer = Make(kind.spec);
    for (const std::uint32_t dim : {1u, 7u, 16u, 33u}) {
      Rows rows(optimizer.get(), dim, {std::vector<float>(dim, 0)});
      std::vector<double> w(dim), state(2 * dim + 1);
      for (int step = 0; step < 100; ++step) {
        std::vector<float> g(dim);
        for (std::size_t i = 0; i < dim; ++i) g[i] = Gradient(step, i);
        rows.Update({g});
        kind.twin(&w, &state, {g.begin(), g.end()});
      }
      for (std::size_t i = 0; i < dim; ++i) {
        EXPECT_NEAR(rows.weight(0, i), w[i], 3e-5 * std::max(1.0, std::abs(w[i])))
            << kind.name << " " << dim << " " << i;
      }
    }
  }
}

TEST(RowOptimizerTest, EveryVectorWidthGivesTheSameBits) {
  for (Kind& kind : Kinds()) {
    kind.spec.set_clip_norm(kind.name == "moving_average" ? 0 : 1.5);
    for (const std::uint32_t dim : {1u, 5u, 16u, 31u, 100u}) {
      std::vector<std::vector<float>> results;
      for (const std::string target : {"sse4", "avx2", "avx512"}) {
        if (!UseSimd(target).ok()) continue;
        const auto optimizer = Make(kind.spec);
        Rows rows(optimizer.get(), dim, {std::vector<float>(dim, 0.5f)});
        for (int step = 0; step < 20; ++step) {
          std::vector<float> g(dim);
          for (std::size_t i = 0; i < dim; ++i) g[i] = Gradient(step, i);
          rows.Update({g}, 3, 0.7f);
        }
        results.push_back(rows.memory(0));
      }
      ASSERT_TRUE(UseSimd(BestSimd()).ok());
      for (const auto& result : results) {
        EXPECT_EQ(std::memcmp(result.data(), results[0].data(), result.size() * sizeof(float)), 0) << kind.name << dim;
      }
    }
  }
}

TEST(RowOptimizerTest, ARowsBitsDoNotDependOnTheBatchItComesIn) {
  constexpr std::size_t kRows = 300;
  for (const Kind& kind : Kinds()) {
    const auto optimizer = Make(kind.spec);
    std::vector<std::vector<float>> weights(kRows), gradients(kRows);
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t i = 0; i < 33; ++i) {
        weights[r].push_back(Gradient(-1 - static_cast<int>(r), i));
        gradients[r].push_back(Gradient(static_cast<int>(r), i));
      }
    }
    Rows together(optimizer.get(), 33, weights);
    together.Update(gradients, 7);
    for (std::size_t r = 0; r < kRows; ++r) {
      Rows alone(optimizer.get(), 33, {weights[r]});
      alone.Update({gradients[r]}, 7);
      ASSERT_EQ(alone.memory(0), together.memory(r)) << kind.name << " " << r;
    }
  }
}

TEST(RowOptimizerTest, AnEpsilonOfZeroMakesNoNan) {
  for (const Kind& kind : Kinds()) {
    proto::Optimizer spec = kind.spec;
    if (spec.has_adagrad()) spec.mutable_adagrad()->set_epsilon(0);
    if (spec.has_rowwise_adagrad()) spec.mutable_rowwise_adagrad()->set_epsilon(0);
    if (spec.has_adam()) spec.mutable_adam()->set_epsilon(0);
    if (spec.has_ftrl()) spec.mutable_ftrl()->set_beta(0), spec.mutable_ftrl()->set_lambda2(0);
    const auto optimizer = Make(spec);
    Rows rows(optimizer.get(), 2, {{0, 1}});
    rows.Update({{0, 0}});
    EXPECT_TRUE(std::isfinite(rows.weight(0, 0)) && std::isfinite(rows.weight(0, 1))) << kind.name;
  }
}

TEST(FindFiniteRowsTest, FindsWhatHasNoFiniteSquareAtAnyPlace) {
  constexpr float kBad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(), 2e19f};
  for (const std::size_t floats : {1u, 3u, 16u, 45u}) {
    for (std::size_t place = 0; place < floats; ++place) {
      for (const float bad : kBad) {
        std::vector<float> values(3 * floats, -1.8e19f);
        values[floats + place] = bad;
        std::uint8_t finite[3];
        EXPECT_EQ(FindFiniteRows(values.data(), 3, floats, finite), 2u);
        EXPECT_EQ(finite[0] + 2 * finite[1] + 4 * finite[2], 5) << floats << " " << place;
      }
    }
  }
}

TEST(MakeRowOptimizerTest, NamesTheFieldThatCanNotBe) {
  const auto error = [](const std::function<void(proto::Optimizer*)>& fill) {
    return MakeRowOptimizer(Spec(fill), "table 'wide': optimizer").status().text();
  };
  EXPECT_THAT(error([](auto* o) { o->mutable_ftrl(), o->set_l2(0.1); }), HasSubstr("table 'wide': optimizer.l2"));
  EXPECT_THAT(error([](auto* o) { o->mutable_adam()->set_beta2(1); }), HasSubstr("optimizer.adam.beta2"));
  EXPECT_THAT(error([](auto* o) { o->mutable_sgd()->set_learning_rate(-1); }),
              HasSubstr("optimizer.sgd.learning_rate"));
  EXPECT_THAT(error([](auto* o) { o->mutable_ftrl()->set_alpha(0); }), HasSubstr("optimizer.ftrl.alpha"));
  EXPECT_THAT(error([](auto* o) { o->mutable_adagrad()->set_epsilon(std::nan("")); }), HasSubstr("adagrad.epsilon"));
}

TEST(MakeRowOptimizerTest, DefaultsToAdagrad) {
  const auto unset = Make({});
  const auto adagrad = Make(Spec([](auto* o) { o->mutable_adagrad(); }));
  Rows a(unset.get(), 2, {{1, 2}}), b(adagrad.get(), 2, {{1, 2}});
  a.Update({{1, -1}});
  b.Update({{1, -1}});
  EXPECT_EQ(a.memory(0), b.memory(0));
  EXPECT_NE(a.weight(0, 0), 1);
}

}  // namespace
}  // namespace sherd
