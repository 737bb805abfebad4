#include "bench/local_job.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/simd.h"
#include "models/model.h"
#include "net/requester.h"
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

Result<std::unique_ptr<Model<float>>> MakeMetered(const proto::Job& job, std::uint32_t rows, CpuMeters* meters) {
  ASSIGN_OR_RETURN(std::unique_ptr<Model<float>> model, MakeModel<float>(job, rows));
  if (meters != nullptr) model->SetMeter(meters->Add());
  return model;
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
         const proto::ShardMap& map, std::uint64_t first, std::uint32_t cores, CpuMeters* meters)
      : layout_(model, static_cast<std::uint32_t>(map.endpoint_size())),
        at_(first),
        pipeline_({.job = &made.job,
                   .dataset = made.rows.get(),
                   .network = network,
                   .layout = &layout_,
                   .make_model = [&made, meters](std::uint32_t rows) { return MakeMetered(made.job, rows, meters); },
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
  Result<bool> Done() {
    RETURN_IF_ERROR(pipeline_.status());
    const TrainingReport::Stand stand = pipeline_.stand();
    const auto now = std::chrono::steady_clock::now();
    if (stand.acknowledged > acknowledged_) {
      const double seconds = std::chrono::duration<double>(now - last_).count();
      times_.push_back(seconds / static_cast<double>(stand.acknowledged - acknowledged_));
      longest_ = std::max(longest_, seconds);
      acknowledged_ = stand.acknowledged;
      last_ = now;
    }
    return stand.idle && stand.acknowledged == stand.next_clock;
  }
  void BeginRound() {
    times_.clear();
    longest_ = 0;
    last_ = std::chrono::steady_clock::now();
  }
  double longest() const { return longest_; }
  const std::vector<double>& times() const { return times_; }
  void AskForCut(const proto::Command& command) { pipeline_.AskForCut(command); }
  proto::Progress Take() { return pipeline_.TakeProgress(); }

 private:
  const ParameterLayout layout_;
  std::uint64_t at_, next_chunk_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::chrono::steady_clock::time_point last_;
  std::vector<double> times_;  // seconds from one acknowledged minibatch to the next
  double longest_ = 0;
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
    if (options.fill) RETURN_IF_ERROR(options.fill(store.get()));
    std::unique_ptr<Mailbox> mailbox = network_->Open();
    RETURN_IF_ERROR(mailbox->Bind(options.tcp ? "tcp://127.0.0.1:*" : "inproc://shard-" + std::to_string(i)));
    auto shard = std::make_unique<Shard>(
        ShardOptions{.shard = i,
                     .train = made.job.train(),
                     .spill_dir = {},
                     .wake = [m = mailbox.get()] { m->Wake(); },
                     .meter = options.shard_meters == nullptr ? nullptr : options.shard_meters->Add()},
        std::move(store));
    (void)shard->Handle({.from = "scheduler", .message = MakeControl(proto::START_EPOCH, start)});
    std::string endpoint = endpoints_.emplace_back(mailbox->endpoint());
    if (options.route) {
      ASSIGN_OR_RETURN(endpoint, options.route(endpoint));
    }
    map.add_endpoint(endpoint);
    shards_.push_back(std::make_unique<ShardThread>(std::move(mailbox), std::move(shard), "shard " + std::to_string(i),
                                                    options.shards));
    shards_.back()->Start(server_.get());
  }
  const std::uint64_t share = made.rows->minibatches() / options.workers;
  const std::uint32_t cores = std::max(std::thread::hardware_concurrency() / options.workers, 1u);
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    workers_.push_back(
        std::make_unique<Worker>(made, model, network_.get(), i, map, i * share, cores, options.compute_meters));
  }
  return {};
}

Result<LocalJob::Round> LocalJob::Train(std::uint64_t minibatches_a_worker) {
  const auto begin = std::chrono::steady_clock::now();
  const double cpu = ProcessCpuSeconds();
  for (const auto& worker : workers_) {
    worker->BeginRound();
    worker->Add(minibatches_a_worker);
  }
  for (std::size_t done = 0; done < workers_.size(); std::this_thread::sleep_for(kLook)) {
    done = 0;
    for (const auto& worker : workers_) {
      ASSIGN_OR_RETURN(const bool all, worker->Done());
      done += all ? 1 : 0;
    }
  }
  Round round;
  std::vector<double> times;
  for (const auto& worker : workers_) {
    times.insert(times.end(), worker->times().begin(), worker->times().end());
    round.longest = std::max(round.longest, worker->longest());
  }
  round.median = Median(std::move(times));
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

Result<std::future<Result<LocalJob::Written>>> LocalJob::StartCut(const proto::OpenCut& open) {
  struct Scheduler {
    explicit Scheduler(Network* network)
        : mailbox(network->Open()), requester(mailbox.get(), {.give_up_after = std::chrono::minutes(10)}) {}
    Result<Message> Call(const Peer& shard, proto::Kind kind, const proto::OpenCut& body) {
      return requester.Call(shard, MakeControl(kind, body), "cut");
    }
    const std::unique_ptr<Mailbox> mailbox;
    Requester requester;
    std::vector<Peer> shards;
  };
  auto scheduler = std::make_shared<Scheduler>(network_.get());
  for (const std::string& endpoint : endpoints_) {
    ASSIGN_OR_RETURN(scheduler->shards.emplace_back(), scheduler->mailbox->Connect(endpoint));
    RETURN_IF_ERROR(scheduler->Call(scheduler->shards.back(), proto::OPEN_CUT, open).status());
  }
  proto::Command command;
  command.set_cut(open.cut());
  command.set_cut_any_clock(true);
  for (const auto& worker : workers_) worker->AskForCut(command);
  const auto begin = std::chrono::steady_clock::now();
  return std::async(std::launch::async, [scheduler, open, begin]() -> Result<Written> {
    Written written;
    for (const Peer& shard : scheduler->shards) {
      ASSIGN_OR_RETURN(const Message answer, scheduler->Call(shard, proto::AWAIT_CUT, open));
      proto::ShardFile file;
      RETURN_IF_ERROR(ParseBody(answer, &file));
      written.bytes += file.bytes();
      written.rows += file.rows();
    }
    written.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return written;
  });
}

}  // namespace sherd::bench
