#include "worker/worker.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/leadership.h"
#include "base/simd.h"
#include "models/feature_layout.h"
#include "models/model.h"
#include "net/requester.h"
#include "net/scheduler_watch.h"
#include "worker/data/dataset.h"
#include "worker/heartbeat.h"
#include "worker/pipeline.h"
#include "worker/task_loop.h"
#include "worker/training_keys.h"

namespace sherd {
namespace {

constexpr std::chrono::milliseconds kTellFailure(5000);  // how long a failing worker waits to be heard
constexpr std::chrono::milliseconds kLook(500);          // for another scheduler

// At the scheduler, which may be another one than at first by the time it answers: `options` name it then.
Result<proto::Welcome> Register(Mailbox* mailbox, WorkerOptions* options, Peer* scheduler) {
  const auto seconds = [](double s) { return std::chrono::milliseconds(static_cast<std::int64_t>(s * 1000)); };
  Requester requester(mailbox, {.retry_after = std::chrono::milliseconds(1000),
                                .give_up_after = seconds(options->scheduler_wait_seconds)});
  SchedulerWatch watch({.dir = options->leaders_dir,
                        .job = options->job_id,
                        .endpoint = options->scheduler_endpoint,
                        .term = options->scheduler_term,
                        .look_every = seconds(options->heartbeat_seconds)});
  const auto send = [&]() -> Status {
    ASSIGN_OR_RETURN(*scheduler, mailbox->Connect(watch.endpoint()));
    Message message = MakeControl(proto::REGISTER, DescribeWorker());
    FillHeader(*options, &message.header);
    requester.Send(*scheduler, std::move(message), "registration at the scheduler at " + watch.endpoint());
    return {};
  };
  RETURN_IF_ERROR(send());
  while (true) {
    RETURN_IF_ERROR(requester.Tick());
    if (watch.Newer(Clock::now())) {
      requester.Forget(*scheduler);
      RETURN_IF_ERROR(send());
    }
    auto envelope = mailbox->Receive(std::min(requester.next_tick(), Clock::now() + kLook));
    if (!envelope) continue;
    const auto reply = requester.Match(std::move(*envelope));
    if (!reply) continue;
    options->scheduler_endpoint = watch.endpoint();
    options->scheduler_term = watch.term();
    RETURN_IF_ERROR(StatusOf(reply->message.header).Annotate("registration at the scheduler at " + watch.endpoint()));
    proto::Welcome welcome;
    RETURN_IF_ERROR(ParseBody(reply->message, &welcome).Annotate("answer to registration"));
    if (welcome.map().endpoint().empty()) {
      return Status::BadData("the scheduler's answer to registration names no shard");
    }
    return welcome;
  }
}

proto::Encoding EncodingOf(proto::Train::Values values) {
  switch (values) {
    case proto::Train::FP32:
      return proto::FP32;
    case proto::Train::BF16:
      return proto::BF16;
    case proto::Train::INT8:
      return proto::INT8;
  }
  return proto::FP32;
}

PsClient::Options ClientOptions(const WorkerOptions& options, const proto::Welcome& welcome) {
  return {.job_id = options.job_id,
          .index = options.index,
          .incarnation = options.incarnation,
          .map = welcome.map(),
          .request_timeout_seconds = options.request_timeout_seconds,
          .dense = options.job.train().has_dense_staleness() ? PsClient::Dense::kApart : PsClient::Dense::kWithRows,
          .encoding = EncodingOf(options.job.train().wire_values()),
          .cache = {.clocks = options.job.train().row_cache_clocks(), .rows = options.job.train().row_cache_rows()}};
}

// From registration to the end. What it makes is gone, its threads ended, when it returns.
Status DoTasks(Network* network, WorkerOptions options) {
  const std::unique_ptr<Mailbox> mailbox = network->Open();
  Peer scheduler;
  ASSIGN_OR_RETURN(const proto::Welcome welcome, Register(mailbox.get(), &options, &scheduler));
  if (welcome.has_simd() && !welcome.simd().empty()) RETURN_IF_ERROR(UseSimd(welcome.simd()));

  const auto notify = [&mailbox] { mailbox->Wake(); };
  Heartbeat heartbeat(network, &options, notify);
  heartbeat.SetMapEpoch(welcome.map().epoch());
  heartbeat.SetDoing("opening the data");
  ASSIGN_OR_RETURN(const FeatureLayout features, FeatureLayout::Make(options.job));
  ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> dataset,
                   Dataset::Open(options.job, features, {.predict = options.predict}));
  dataset->SetStatistics(welcome.statistics());
  ASSIGN_OR_RETURN(const proto::ModelSpec spec, DescribeModel(options.job));
  const ParameterLayout layout(spec, static_cast<std::uint32_t>(welcome.map().endpoint_size()));

  std::vector<std::vector<Key>> training_keys;
  if (options.job.train().has_dp() && !options.predict && dataset->Has(proto::Chunk::TRAIN)) {
    // Of a dataset of its own, so that its rows are not counted as read.
    ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> all_rows, Dataset::Open(options.job, features, {}));
    all_rows->SetStatistics(welcome.statistics());
    ASSIGN_OR_RETURN(training_keys, FindTrainingKeys(all_rows.get(), layout.row_floats.size()));
  }

  Pipeline pipeline({.job = &options.job,
                     .dataset = dataset.get(),
                     .network = network,
                     .layout = &layout,
                     .make_model = [&](std::uint32_t rows) { return MakeModel<float>(options.job, rows); },
                     .client = ClientOptions(options, welcome),
                     .shape = PipelineShape::Choose(options.job, options.cores),
                     .training_keys = std::move(training_keys),
                     .predict = options.predict,
                     .notify = notify});
  return TaskLoop(&options, mailbox.get(), scheduler, dataset.get(), &pipeline, &heartbeat).Run();
}

// It may be another one than at first.
std::string SchedulerNow(const WorkerOptions& options) {
  if (options.leaders_dir.empty()) return options.scheduler_endpoint;
  const auto leader = NewestLeader(options.leaders_dir, options.job_id);
  return leader.ok() && leader->has_value() ? (*leader)->endpoint() : options.scheduler_endpoint;
}

// True: the scheduler has heard it, and speaks for all ranks.
bool TellFailure(Network* network, const WorkerOptions& options, const Status& failure) {
  const std::unique_ptr<Mailbox> mailbox = network->Open();
  const Result<Peer> scheduler = mailbox->Connect(SchedulerNow(options));
  if (!scheduler.ok()) return false;
  proto::Failure body;
  body.set_text(failure.text());
  // What this system refuses another one may give: it is no failure of the job's then, which has an exit code.
  if (failure.code() != ErrorCode::kIo) body.set_exit_code(1);
  Message message = MakeControl(proto::FAILURE, body);
  FillHeader(options, &message.header);
  Requester requester(mailbox.get(), {.retry_after = kTellFailure / 5, .give_up_after = kTellFailure});
  const Result<Message> told = requester.Call(*scheduler, std::move(message), "report of a failure");
  LOG_IF(WARNING, !told.ok()) << "the scheduler could not be told: " << told.status().text();
  return told.ok();
}

}  // namespace

Status RunWorker(Network* network, const WorkerOptions& options) {
  const Status status = DoTasks(network, options);
  if (status.ok() || status.code() == ErrorCode::kStopped) return {};
  if (TellFailure(network, options, status)) {
    LOG(INFO) << "told the scheduler: " << status.text();
    return {};
  }
  LOG(WARNING) << status.text();
  return status.Annotate("worker " + std::to_string(options.index));
}

}  // namespace sherd
