#include "bench/local_job.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/simd.h"
#include "models/model.h"
#include "net/zmq_network.h"
#include "ps/shard.h"
#include "ps/shard_store.h"
#include "worker/pipeline.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kJobId = 1;
constexpr std::chrono::microseconds kLook(500);  // between looks at how far the workers are

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

double ProcessCpuSeconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return SecondsOf(used.ru_utime) + SecondsOf(used.ru_stime);
}

class LocalJob::Worker {
 public:
  Worker(const MemoryJob& made, const proto::ModelSpec& model, Network* network, std::uint32_t index,
         const proto::ShardMap& map, std::uint64_t first, std::uint32_t cores)
      : layout_(model, static_cast<std::uint32_t>(map.endpoint_size())),
        at_(first),
        pipeline_({.job = &made.job,
                   .dataset = made.rows.get(),
                   .network = network,
                   .layout = &layout_,
                   .make_model = [&made](std::uint32_t rows) { return MakeModel<float>(made.job, rows); },
                   .client = {.job_id = kJobId, .index = index, .map = map},
                   .shape = PipelineShape::Choose(made.job, cores),
                   .predict = false,
                   .notify = [] {}}) {}

  void Add(std::uint64_t minibatches) {
    proto::Task task;
    task.set_kind(proto::Task::TRAIN);
    task.mutable_chunk()->set_id(next_chunk_++);
    task.mutable_chunk()->set_begin(at_);
    task.mutable_chunk()->set_end(at_ += minibatches);
    pipeline_.Add(task);
  }
  Result<bool> Done() const {
    RETURN_IF_ERROR(pipeline_.status());
    const TrainingReport::Stand stand = pipeline_.stand();
    return stand.idle && stand.acknowledged == stand.next_clock;
  }
  proto::Progress Take() { return pipeline_.TakeProgress(); }

 private:
  const ParameterLayout layout_;
  std::uint64_t at_, next_chunk_ = 0;
  Pipeline pipeline_;
};

LocalJob::LocalJob() = default;

LocalJob::~LocalJob() {
  workers_.clear();
  shards_.clear();
}

Result<std::unique_ptr<LocalJob>> LocalJob::Start(const MemoryJob& made, const Options& options) {
  std::unique_ptr<LocalJob> job(new LocalJob());
  RETURN_IF_ERROR(job->Begin(made, options));
  return job;
}

Status LocalJob::Begin(const MemoryJob& made, const Options& options) {
  RETURN_IF_ERROR(UseSimd(BestSimd()));
  ASSIGN_OR_RETURN(const proto::ModelSpec model, DescribeModel(made.job));
  ASSIGN_OR_RETURN(network_, ZmqNetwork::Create({.job = kJobId, .keys = std::nullopt}));
  server_ = network_->Open();
  proto::StartEpoch start;
  for (std::uint32_t i = 0; i < options.workers; ++i) start.add_worker(i);
  proto::ShardMap map;
  map.set_epoch(1);
  for (std::uint32_t i = 0; i < options.shards; ++i) {
    ASSIGN_OR_RETURN(auto store, ShardStore::Make(model, made.job.train().seed(), i, options.shards));
    auto shard =
        std::make_unique<Shard>(ShardOptions{.shard = i, .train = made.job.train(), .spill_dir = {}, .wake = {}}, std::move(store));
    (void)shard->Handle({.from = "scheduler", .message = MakeControl(proto::START_EPOCH, start)});
    std::unique_ptr<Mailbox> mailbox = network_->Open();
    RETURN_IF_ERROR(mailbox->Bind(options.tcp ? "tcp://127.0.0.1:*" : "inproc://shard-" + std::to_string(i)));
    std::string endpoint = mailbox->endpoint();
    if (options.route) {
      ASSIGN_OR_RETURN(endpoint, options.route(endpoint));
    }
    map.add_endpoint(endpoint);
    shards_.push_back(
        std::make_unique<ShardThread>(std::move(mailbox), std::move(shard), "shard " + std::to_string(i)));
    shards_.back()->Start(server_.get());
  }
  const std::uint64_t share = made.rows->minibatches() / options.workers;
  const std::uint32_t cores = std::max(std::thread::hardware_concurrency() / options.workers, 1u);
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(made, model, network_.get(), i, map, i * share, cores));
  }
  return {};
}

Result<LocalJob::Round> LocalJob::Train(std::uint64_t minibatches_a_worker) {
  const auto begin = std::chrono::steady_clock::now();
  const double cpu = ProcessCpuSeconds();
  for (const auto& worker : workers_) worker->Add(minibatches_a_worker);
  for (const auto& worker : workers_) {
    while (true) {
      ASSIGN_OR_RETURN(const bool done, worker->Done());
      if (done) break;
      std::this_thread::sleep_for(kLook);
    }
  }
  Round round;
  round.wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  round.cpu = ProcessCpuSeconds() - cpu;
  for (const auto& worker : workers_) {
    const proto::Progress progress = worker->Take();
    round.rows += static_cast<double>(progress.rows());
    round.loss += progress.loss_sum();
    round.staleness = std::max(round.staleness, progress.staleness());
  }
  round.loss /= round.rows;
  return round;
}

}  // namespace sherd::bench
