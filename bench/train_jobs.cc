#include "bench/train_jobs.h"

namespace sherd::bench {
namespace {

constexpr char kFields[] = R"(
name: "bench"
feature { column: "I1..I13" bucket {} }
feature { column: "C1..C26" categorical {} }
)";
constexpr char kOptimizers[] = R"(
  embedding_optimizer { adagrad { learning_rate: 0.02 } }
  dense_optimizer { adam { learning_rate: 0.001 } }
  embedding_initializer { kind: NORMAL scale: 0.01 }
)";

std::string Numbers() {
  std::string text;
  for (int i = 1; i <= 13; ++i) {
    const std::string column = "I" + std::to_string(i);
    text += "feature { name: \"" + column + "_number\" column: \"" + column +
            "\" number { transform: LOG scale: 0.25 } }\n";
  }
  return text;
}

// Of pairs of columns with few tokens each, as a person would choose them.
std::string Crosses() {
  std::string text;
  for (const auto& [one, other] : {std::pair{"C6", "C9"}, {"C9", "C14"}, {"C14", "C17"}, {"C17", "C20"}}) {
    text += "feature { name: \"" + std::string(one) + "x" + other + "\" cross { feature: \"" + one + "\" feature: \"" +
            other + "\" } }\n";
  }
  return text;
}

std::string Train(int batch) { return "train { batch_size: " + std::to_string(batch) + " }\n"; }

std::string Model(const std::string& text) { return "model {" + text + kOptimizers + "}\n"; }

}  // namespace

std::string DeepFmJob() {
  return kFields + Numbers() + Train(4096) +
         Model(R"(name: "deepfm" embedding_dim: 16 tower { hidden: 400 hidden: 400 hidden: 400 })");
}

std::string DeepFmSmallJob() {
  return kFields + Numbers() + Train(4096) +
         Model(R"(name: "deepfm" embedding_dim: 8 tower { hidden: 128 hidden: 64 })");
}

std::string WideDeepJob() {
  return kFields + Numbers() + Crosses() + Train(4096) +
         Model(R"(name: "wide_deep" embedding_dim: 16 tower { hidden: 400 hidden: 400 hidden: 400 }
                  linear_optimizer { ftrl {} })");
}

std::string FmJob() { return kFields + Train(4096) + Model(R"(name: "fm" embedding_dim: 16)"); }

std::string NeuMfJob(int batch) {
  return R"(
name: "bench"
feature { column: "user" table: "user" categorical {} }
feature { column: "item" table: "item" categorical {} }
model {
  name: "neumf"
  embedding_dim: 8
  tower { hidden: 64 hidden: 32 hidden: 16 hidden: 8 }
  embedding_optimizer { adam { learning_rate: 0.001 } }
  dense_optimizer { adam { learning_rate: 0.001 } }
}
)" + Train(batch);
}

}  // namespace sherd::bench
