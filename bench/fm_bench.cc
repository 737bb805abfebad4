#include <algorithm>
#include <cmath>
#include <cstdint>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "bench/bench_case.h"
#include "bench/memory_rows.h"
#include "bench/table_floor.h"
#include "bench/train_jobs.h"
#include "bench/training_turns.h"

namespace sherd::bench {
namespace {

constexpr std::size_t kFields = 39, kDim = 16;
constexpr float kRate = 0.02f;

// One step of Adagrad for every element of n.
__attribute__((always_inline)) inline void Update(const float* gradients, std::size_t n, float* weights,
                                                  float* squares) {
  for (std::size_t d = 0; d < n; ++d) {
    squares[d] += gradients[d] * gradients[d];
    weights[d] -= kRate * gradients[d] / std::sqrt(squares[d] + 1e-10f);
  }
}

// A factorization machine (Rendle 2010) on dense arrays on huge pages, as tables have, which threads update row by row
// without locks (Recht et al. 2011, "Hogwild"), by Adagrad: what a library in one process does.
class HogwildFm {
 public:
  explicit HogwildFm(const MemoryRows& rows) {
    std::unordered_map<Key, std::uint32_t> numbers;
    for (std::uint64_t i = 0; i < rows.minibatches(); ++i) {
      const Minibatch& minibatch = rows.minibatch(i);
      labels_.insert(labels_.end(), minibatch.labels.begin(), minibatch.labels.end());
      for (const Key key : minibatch.tables[0].keys) {
        ids_.push_back(numbers.try_emplace(key, static_cast<std::uint32_t>(numbers.size())).first->second);
      }
    }
    const std::size_t factors = numbers.size() * kDim;
    weights_ = HugeMemory(numbers.size() * sizeof(float));
    weight_squares_ = HugeMemory(numbers.size() * sizeof(float));
    factors_ = HugeMemory(factors * sizeof(float));
    factor_squares_ = HugeMemory(factors * sizeof(float));
    for (std::size_t i = 0; i < factors; ++i) factors_.data()[i] = 0.02f * UnitFloat(Mix(i, 1)) - 0.01f;
  }

  // So many rows on each thread, each from its own place on. Seconds.
  double Run(std::uint64_t rows_a_thread, std::uint32_t threads) {
    losses_.assign(threads, 0);
    const std::uint64_t begin = next_;
    next_ += rows_a_thread;
    return Seconds([&] {
      std::vector<std::thread> running;
      for (std::uint32_t t = 0; t < threads; ++t) {
        running.emplace_back([this, t, threads, begin, rows_a_thread] {
          double loss = 0;
          const std::uint64_t first = begin + labels_.size() / threads * t;
          for (std::uint64_t i = first; i < first + rows_a_thread; ++i) loss += Learn(i % labels_.size());
          losses_[t] = loss / static_cast<double>(rows_a_thread);
        });
      }
      for (std::thread& thread : running) thread.join();
    });
  }
  std::uint64_t rows() const { return labels_.size(); }
  double loss() const { return losses_[0]; }  // of the last Run's first thread, before each row's step

 private:
  __attribute__((target_clones("avx512f", "avx2", "default"))) double Learn(std::uint64_t row) {
    const std::uint32_t* ids = &ids_[row * kFields];
    float sum[kDim] = {}, squares[kDim] = {}, logit = bias_;
    for (std::size_t f = 0; f < kFields; ++f) {
      logit += weights_.data()[ids[f]];
      const float* v = factors_.data() + std::size_t{ids[f]} * kDim;
      for (std::size_t d = 0; d < kDim; ++d) {
        sum[d] += v[d];
        squares[d] += v[d] * v[d];
      }
    }
    for (std::size_t d = 0; d < kDim; ++d) logit += 0.5f * (sum[d] * sum[d] - squares[d]);
    const float p = 1 / (1 + std::exp(-logit)), g = p - labels_[row];
    Update(&g, 1, &bias_, &bias_square_);
    for (std::size_t f = 0; f < kFields; ++f) {
      Update(&g, 1, &weights_.data()[ids[f]], &weight_squares_.data()[ids[f]]);
      float* v = factors_.data() + std::size_t{ids[f]} * kDim;
      float gradients[kDim];
      for (std::size_t d = 0; d < kDim; ++d) gradients[d] = g * (sum[d] - v[d]);
      Update(gradients, kDim, v, factor_squares_.data() + std::size_t{ids[f]} * kDim);
    }
    return -std::log(std::max(1e-7f, labels_[row] > 0.5f ? p : 1 - p));
  }

  std::vector<float> labels_;
  std::vector<std::uint32_t> ids_;  // [rows, fields]
  float bias_ = 0, bias_square_ = 0;
  HugeMemory weights_{0}, weight_squares_{0};
  HugeMemory factors_{0}, factor_squares_{0};  // [ids, dim]
  std::vector<double> losses_;                 // by thread
  std::uint64_t next_ = 0;
};

}  // namespace

Status TrainFm(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(const MemoryJob made, MakeClickJob(options, FmJob()));
  HogwildFm hogwild(*made.rows);
  hogwild.Run(hogwild.rows() / options.threads, options.threads);
  TrainingTurns turns(&made, options);
  RETURN_IF_ERROR(turns.Run([&](std::uint64_t minibatches) {
    return hogwild.Run(static_cast<std::uint64_t>(static_cast<double>(minibatches) * made.rows->mean_rows()),
                       options.threads);
  }));
  if (!(hogwild.loss() < made.rows->BaseLoss())) return Status::BadData("the floor has learned nothing");
  report(turns.figure().With("floor_loss", hogwild.loss()));
  return {};
}

}  // namespace sherd::bench
