#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/cpu_meter.h"
#include "base/status.h"
#include "bench/memory_rows.h"
#include "net/mailbox.h"
#include "proto/wire.pb.h"
#include "ps/shard_store.h"
#include "ps/shard_thread.h"

namespace sherd::bench {

// The meters of some threads. Thread-safe.
class CpuMeters {
 public:
  // Lives as long as this object.
  CpuMeter* Add() {
    const std::lock_guard lock(mutex_);
    return &meters_.emplace_back();
  }
  double seconds(CpuMeter::Part part) const {
    const std::lock_guard lock(mutex_);
    double sum = 0;
    for (const CpuMeter& meter : meters_) sum += meter.seconds(part);
    return sum;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<CpuMeter> meters_;
};

// A job in this process as `sherd train` runs one: the worker's pipelines, clients and shards, each on threads of its
// own, over ZeroMQ. Its caller stands for the scheduler, and its rows come from memory. Confined to one thread.
class LocalJob {
 public:
  struct Options {
    std::uint32_t workers = 2, shards = 1;
    bool tcp = false;  // without CURVE; else inproc
    // Where workers reach the shard of an endpoint: through a proxy, say.
    std::function<Result<std::string>(const std::string& endpoint)> route = {};
    // Puts into each shard what it holds before the first minibatch.
    std::function<Status(ShardStore* store)> fill = {};
    // Get a meter for each compute thread's network, and for each shard. They outlive the job. Null: none is wanted.
    CpuMeters* compute_meters = nullptr;
    CpuMeters* shard_meters = nullptr;
  };

  // `made` must outlive the job.
  static Result<std::unique_ptr<LocalJob>> Start(const MemoryJob& made, const Options& options);
  ~LocalJob();

  struct Round {
    double rows = 0;
    double wall = 0, cpu = 0;        // seconds, of the whole process
    double loss = 0;                 // mean over the rows, each before it was trained on
    std::uint64_t staleness = 0;     // the largest, clocks
    double longest = 0, median = 0;  // seconds between two minibatches of a worker that were acknowledged
  };
  // Each worker trains on so many minibatches more, until every shard has acknowledged the last.
  Result<Round> Train(std::uint64_t minibatches_a_worker);

  // Makes a cut of the shards, which write it while training goes on: how long it took, and how large the files are.
  struct Written {
    double seconds = 0;
    std::uint64_t bytes = 0, rows = 0;
  };
  Result<std::future<Result<Written>>> StartCut(const proto::OpenCut& open);

 private:
  class Worker;

  LocalJob();
  Status Begin(const MemoryJob& made, const Options& options);

  std::unique_ptr<Network> network_;
  std::unique_ptr<Mailbox> server_;  // that shards' threads wake when there is trouble
  std::vector<std::string> endpoints_;
  std::vector<std::unique_ptr<ShardThread>> shards_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

// Seconds of processor time of this process so far.
double ProcessCpuSeconds();

}  // namespace sherd::bench
