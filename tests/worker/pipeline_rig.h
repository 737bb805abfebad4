#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/partition.h"
#include "net/memory_network.h"
#include "tests/worker/tiny_job.h"
#include "worker/pipeline.h"

namespace sherd::testing {

inline constexpr std::uint32_t kBatch = 16;

// A pipeline, its data, and the shards it talks to.
class Rig {
 public:
  struct Setup {
    std::uint32_t shards = 3;
    std::uint32_t max_in_flight = 2;
    std::uint32_t compute_threads = 1;
    PsClient::Dense dense = PsClient::Dense::kWithRows;
    proto::Train::Consistency consistency = proto::Train::ASYNC;
    TinyModel::Gradient gradient = TinyModel::Gradient::kError;
    Faults faults = {};
    std::uint64_t nan_row = ~0ull;
    std::uint64_t warmup_clocks = 0;
    double epoch_factor = 1;
    RowCaches::Options cache = {};
  };

  explicit Rig(const Setup& setup) : network_({.job = 5}), dataset(kBatch), layout_(TinySpec(), setup.shards) {
    dataset.nan_row = setup.nan_row;
    job_.mutable_train()->set_batch_size(kBatch);
    job_.mutable_train()->set_consistency(setup.consistency);
    job_.mutable_train()->set_max_in_flight(setup.max_in_flight);
    job_.mutable_train()->mutable_learning_rate()->set_warmup_clocks(setup.warmup_clocks);
    job_.mutable_train()->mutable_learning_rate()->set_epoch_factor(setup.epoch_factor);
    job_.mutable_model()->set_loss(proto::Model::SQUARED_ERROR);
    PsClient::Options client;
    client.job_id = 5;
    client.request_timeout_seconds = 20;
    client.retry_after = std::chrono::milliseconds(20);
    client.dense = setup.dense;
    client.cache = setup.cache;
    const bool count = setup.gradient == TinyModel::Gradient::kCount;
    for (std::uint32_t i = 0; i < setup.shards; ++i) {
      shards.push_back(std::make_unique<TinyShard>(
          &network_, i, setup.shards, count ? TinyShard::Update::kSum : TinyShard::Update::kMean, setup.faults));
      client.map.add_endpoint(TinyShard::Endpoint(i));
    }
    pipeline = std::make_unique<Pipeline>(Pipeline::Options{
        .job = &job_,
        .dataset = &dataset,
        .network = &network_,
        .layout = &layout_,
        .make_model = [gradient = setup.gradient](std::uint32_t rows) -> Result<std::unique_ptr<Model<float>>> {
          return std::unique_ptr<Model<float>>(std::make_unique<TinyModel>(rows, gradient));
        },
        .client = client,
        .shape = PipelineShape::Choose(job_, setup.compute_threads),
        .notify =
            [this] {
              std::lock_guard lock(mutex_);
              changed_.notify_all();
            }});
  }
  ~Rig() { pipeline.reset(); }

  void Train(std::uint64_t chunk, std::uint64_t begin, std::uint64_t end, std::uint32_t first_minibatch = 0,
             std::uint32_t epoch = 0, std::uint64_t start_clock = 0) {
    proto::Task task;
    task.set_kind(proto::Task::TRAIN);
    *task.mutable_chunk() = TinyDataset::MakeChunk(chunk, begin, end);
    task.set_epoch(epoch);
    task.set_start_clock(start_clock);
    task.set_first_minibatch(first_minibatch);
    task.set_learning_rate_scale(0.5f);
    pipeline->Add(task);
  }

  // Ends the epoch and the pipeline's work; false when it failed.
  bool EndEpoch(std::uint32_t epoch = 0, std::uint64_t start_clock = 0) {
    proto::Task task;
    task.set_kind(proto::Task::END_EPOCH);
    task.set_epoch(epoch);
    task.set_start_clock(start_clock);
    pipeline->Add(task);
    return WaitFor([&] { return pipeline->stand().retired; });
  }

  template <typename Condition>
  bool WaitFor(Condition condition) {
    const Deadline deadline = Clock::now() + std::chrono::seconds(60);
    while (!condition() && pipeline->status().ok() && Clock::now() < deadline) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(5));  // not everything that is waited for is told
    }
    return condition();
  }

  // Ends all threads, so that the shards may be looked at.
  void Stop() {
    pipeline.reset();
    for (auto& shard : shards) shard->Stop();
  }

  // A row's floats, from the shard that owns it.
  std::vector<float> Row(std::uint32_t table, Key key) const {
    const auto& rows = shards[ShardOf(key, shards.size())]->rows[table];
    return rows.contains(key) ? rows.at(key) : std::vector<float>(kRowFloats);
  }
  std::vector<float> Dense() const {
    std::vector<float> dense(layout_.dense.size());
    for (std::uint32_t shard = 0; shard < shards.size(); ++shard) {
      for (std::uint32_t b : layout_.blocks[shard]) {
        const DenseBlock& block = layout_.dense.blocks()[b];
        const float* from = &shards[shard]->dense[block.offset];
        std::copy(from, from + block.length, &dense[block.offset]);
      }
    }
    dense.resize(kDenseFloats);
    return dense;
  }

 private:
  MemoryNetwork network_;
  proto::Job job_;
  std::mutex mutex_;
  std::condition_variable changed_;

 public:
  TinyDataset dataset;

 private:
  ParameterLayout layout_;

 public:
  std::vector<std::unique_ptr<TinyShard>> shards;
  std::unique_ptr<Pipeline> pipeline;
};

}  // namespace sherd::testing
