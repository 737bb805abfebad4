#include "worker/pipeline_shape.h"

#include <algorithm>

namespace sherd {
namespace {

// Each compute thread makes rows a minibatch staler and has a network's activations of its own. Who wants more says so.
constexpr std::uint32_t kMostThreads = 8;

}  // namespace

PipelineShape PipelineShape::Choose(const proto::Job& job, std::uint32_t cores) {
  const proto::Train& train = job.train();
  if (train.consistency() == proto::Train::BSP) return {};
  std::uint32_t threads =
      job.cluster().has_compute_threads() ? job.cluster().compute_threads() : std::clamp(cores, 1u, kMostThreads);
  if (train.has_dense_staleness()) threads = std::min(threads, train.dense_staleness() + 1);
  if (train.has_max_in_flight()) threads = std::min(threads, train.max_in_flight());
  return {.compute_threads = threads, .max_in_flight = train.has_max_in_flight() ? train.max_in_flight() : threads + 1};
}

}  // namespace sherd
