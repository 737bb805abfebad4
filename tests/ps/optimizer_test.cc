#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/simd.h"
#include "ps/optimizer/adam_corrections.h"
#include "ps/optimizer/gradient.h"
#include "ps/optimizer/row_optimizer.h"
#include "tests/ps/optimizer_rows.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;

// ---- every kind against its formula in double ----------------------------------------------------------------------

// One row in double: w and whatever else the formula keeps.
using Twin = std::function<void(std::vector<double>* w, std::vector<double>* state, const std::vector<double>& g)>;

struct Kind {
  std::string name;
  proto::Optimizer spec;
  Twin twin;
};

double Norm(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

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
  kinds.push_back({"amsgrad", Spec([](auto* o) { o->mutable_amsgrad()->set_learning_rate(0.01); }),
                   [](auto* w, auto* s, const auto& g) {
                     const std::size_t n = g.size();
                     const double t = ++(*s)[3 * n];
                     for (std::size_t i = 0; i < n; ++i) {
                       double &m = (*s)[i], &v = (*s)[n + i], &x = (*s)[2 * n + i];
                       m = 0.9 * m + 0.1 * g[i];
                       v = 0.999 * v + 0.001 * g[i] * g[i];
                       x = std::max(x, v);
                       (*w)[i] -=
                           0.01 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(x / (1 - std::pow(0.999, t))) + 1e-8);
                     }
                   }});
  kinds.push_back({"rmsprop", Spec([](auto* o) {
                     o->mutable_rmsprop()->set_learning_rate(0.01);
                     o->mutable_rmsprop()->set_momentum(0.5);
                   }),
                   [](auto* w, auto* s, const auto& g) {
                     for (std::size_t i = 0; i < g.size(); ++i) {
                       double &v = (*s)[i], &b = (*s)[g.size() + i];
                       v = 0.99 * v + 0.01 * g[i] * g[i];
                       b = 0.5 * b + g[i] / (std::sqrt(v) + 1e-8);
                       (*w)[i] -= 0.01 * b;
                     }
                   }});
  kinds.push_back({"lamb", Spec([](auto* o) {
                     o->mutable_lamb()->set_learning_rate(0.01);
                     o->mutable_lamb()->set_weight_decay(0.1);
                   }),
                   [](auto* w, auto* s, const auto& g) {
                     const std::size_t n = g.size();
                     const double t = ++(*s)[2 * n];
                     std::vector<double> u(n);
                     for (std::size_t i = 0; i < n; ++i) {
                       double &m = (*s)[i], &v = (*s)[n + i];
                       m = 0.9 * m + 0.1 * g[i];
                       v = 0.999 * v + 0.001 * g[i] * g[i];
                       u[i] = m / (1 - std::pow(0.9, t)) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-6);
                       u[i] += 0.1 * (*w)[i];
                     }
                     const double ratio = Norm(*w) > 0 ? Norm(*w) / Norm(u) : 1;
                     for (std::size_t i = 0; i < n; ++i) (*w)[i] -= 0.01 * ratio * u[i];
                   }});
  kinds.push_back({"lars", Spec([](auto* o) {
                     o->mutable_lars()->set_trust(0.02);
                     o->mutable_lars()->set_weight_decay(0.1);
                   }),
                   [](auto* w, auto* s, const auto& g) {
                     const double norm = Norm(*w), ratio = norm > 0 ? 0.02 * norm / (Norm(g) + 0.1 * norm) : 1;
                     for (std::size_t i = 0; i < g.size(); ++i) {
                       (*s)[i] = 0.9 * (*s)[i] + ratio * (g[i] + 0.1 * (*w)[i]);
                       (*w)[i] -= 0.1 * (*s)[i];
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
      std::vector<double> w(dim), state(3 * dim + 1);
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
    for (const std::uint32_t dim : {1u, 5u, 16u, 31u, 100u, 600u}) {
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

TEST(RowOptimizerTest, ARestoredRowGoesOnWithEqualBits) {
  for (const Kind& kind : Kinds()) {
    const auto optimizer = Make(kind.spec);
    const auto step = [](Rows* rows, int number) {
      std::vector<float> g(33);
      for (std::size_t i = 0; i < g.size(); ++i) g[i] = Gradient(number, i);
      rows->Update({g}, 3);
    };
    Rows kept(optimizer.get(), 33, {std::vector<float>(33, 0.5f)});
    for (int i = 0; i < 10; ++i) step(&kept, i);
    Rows restored(optimizer.get(), 33, {std::vector<float>(33, -9)});
    restored.Restore(0, kept.memory(0));
    for (int i = 10; i < 20; ++i) step(&kept, i), step(&restored, i);
    EXPECT_EQ(kept.memory(0), restored.memory(0)) << kind.name;
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
    if (spec.has_amsgrad()) spec.mutable_amsgrad()->set_epsilon(0);
    if (spec.has_rmsprop()) spec.mutable_rmsprop()->set_epsilon(0);
    if (spec.has_lamb()) spec.mutable_lamb()->set_epsilon(0);
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
  for (const char* field : {"l1", "weight_decay"}) {
    const auto set = [&](proto::Optimizer* o) { field[0] == 'l' ? o->set_l1(0.1) : o->set_weight_decay(0.1); };
    const std::string text = std::string("optimizer.") + field + ": not with ";
    EXPECT_THAT(error([&](auto* o) { o->mutable_ftrl(), set(o); }), HasSubstr(text + "ftrl"));
    EXPECT_THAT(error([&](auto* o) { o->mutable_moving_average(), set(o); }), HasSubstr(text + "moving_average"));
  }
  EXPECT_THAT(error([](auto* o) { o->mutable_lamb(), o->set_weight_decay(0.1); }), HasSubstr("lamb.weight_decay"));
  EXPECT_THAT(error([](auto* o) { o->mutable_lars(), o->set_weight_decay(0.1); }), HasSubstr("lars.weight_decay"));
  EXPECT_THAT(error([](auto* o) { o->mutable_sgd()->set_learning_rate(2), o->set_weight_decay(0.6); }),
              HasSubstr("optimizer.weight_decay"));
  EXPECT_THAT(error([](auto* o) { o->mutable_lars()->set_trust(0); }), HasSubstr("optimizer.lars.trust"));
  EXPECT_THAT(error([](auto* o) { o->mutable_rmsprop()->set_decay(1); }), HasSubstr("optimizer.rmsprop.decay"));
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
