#include "bench/compute_floor.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "models/model.h"
#include "worker/parameter_layout.h"
#include "worker/unique_keys.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kMinibatches = 4;  // that a thread goes round in

// A minibatch and the memory that it refers to.
class FixedBatch {
 public:
  FixedBatch(const Minibatch& from, const ParameterLayout& layout, UniqueKeysMaker* unique_keys) {
    keys_.resize(from.tables.size());
    rows_.resize(2 * from.tables.size());
    batch_ = {.rows = from.rows,
              .labels = from.labels,
              .weights = from.weights,
              .numbers = from.numbers,
              .row_ids = from.row_ids,
              .epoch = 0,
              .tables = {}};
    for (std::size_t table = 0; table < keys_.size(); ++table) {
      unique_keys->Make(from.tables[table].keys, &keys_[table]);
      const std::size_t unique = keys_[table].keys.size(), floats = layout.row_floats[table];
      AlignedBuffer<float>&values = rows_[2 * table], &gradients = rows_[2 * table + 1];
      values.Resize(unique * floats);
      gradients.Resize(unique * floats);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.02f * UnitFloat(Mix(i, 3)) - 0.01f;
      auto& [value, gradient] = pointers_.emplace_back();
      for (std::size_t i = 0; i < unique; ++i) {
        value.push_back(&values[i * floats]);
        gradient.push_back(&gradients[i * floats]);
      }
    }
    for (std::size_t table = 0; table < keys_.size(); ++table) {
      batch_.tables.push_back({.unique = keys_[table].inverse.span(),
                               .offset = from.tables[table].offsets,
                               .weight = from.tables[table].weights,
                               .values = pointers_[table].first,
                               .gradients = pointers_[table].second});
    }
  }

  const Batch<float>& batch() const { return batch_; }

 private:
  std::vector<UniqueKeys> keys_;                                                     // by table
  std::vector<AlignedBuffer<float>> rows_;                                           // by table: values, gradients
  std::vector<std::pair<std::vector<const float*>, std::vector<float*>>> pointers_;  // by table
  Batch<float> batch_;
};

}  // namespace

class ComputeFloor::Lane {
 public:
  Lane(std::unique_ptr<Model<float>> model, const MemoryRows& rows, std::uint64_t first) : model_(std::move(model)) {
    for (std::size_t i = 0; i < model_->parameters().size(); ++i) {
      model_->parameters()[i] = 0.1f * UnitFloat(Mix(i, 5)) - 0.05f;
    }
    const ParameterLayout layout(model_->spec(), 1);
    UniqueKeysMaker unique_keys(1);
    for (std::uint64_t i = 0; i < kMinibatches; ++i) {
      batches_.push_back(std::make_unique<FixedBatch>(rows.minibatch(first + i), layout, &unique_keys));
    }
  }

  void Run(std::uint64_t minibatches) {
    for (std::uint64_t i = 0; i < minibatches; ++i) {
      const Batch<float>& batch = batches_[i % kMinibatches]->batch();
      model_->Forward(batch, Model<float>::Mode::kTrain);
      model_->Loss(batch);
      model_->Backward(batch);
    }
  }

 private:
  const std::unique_ptr<Model<float>> model_;
  std::vector<std::unique_ptr<FixedBatch>> batches_;
};

ComputeFloor::ComputeFloor() = default;
ComputeFloor::~ComputeFloor() = default;

Result<std::unique_ptr<ComputeFloor>> ComputeFloor::Make(const MemoryJob& made, std::uint32_t threads) {
  std::unique_ptr<ComputeFloor> floor(new ComputeFloor());
  for (std::uint32_t i = 0; i < threads; ++i) {
    ASSIGN_OR_RETURN(auto model, MakeModel<float>(made.job, made.rows->max_rows()));
    floor->lanes_.push_back(std::make_unique<Lane>(std::move(model), *made.rows, i * kMinibatches));
  }
  return floor;
}

double ComputeFloor::Run(std::uint64_t minibatches_a_thread) {
  return Seconds([&] {
    std::vector<std::thread> threads;
    for (const auto& lane : lanes_)
      threads.emplace_back([&lane, minibatches_a_thread] { lane->Run(minibatches_a_thread); });
    for (std::thread& thread : threads) thread.join();
  });
}

}  // namespace sherd::bench
