#include "worker/task_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/leadership.h"
#include "net/memory_network.h"
#include "tests/worker/tiny_job.h"
#include "worker/worker.h"

namespace sherd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TinyDataset;
using testing::TinyModel;
using testing::TinyShard;

constexpr std::uint32_t kBatch = 16;
constexpr char kEndpoint[] = "inproc://scheduler";

// Plays a list of tasks to one worker and writes down what it says.
class ScriptedScheduler {
 public:
  explicit ScriptedScheduler(Network* network, const std::string& endpoint = kEndpoint) : mailbox_(network->Open()) {
    CHECK(mailbox_->Bind(endpoint).ok());
    thread_ = std::thread([this] {
      while (!stopping_) Answer(mailbox_->Receive(Clock::now() + std::chrono::seconds(1)));
    });
  }
  ~ScriptedScheduler() { Stop(); }

  void Stop() {
    if (stopping_.exchange(true)) return;
    mailbox_->Wake();
    thread_.join();
  }

  // Before the worker begins; what it heard, after Stop.
  std::deque<proto::Task> script;
  proto::Command command;
  std::vector<std::string> told;  // kinds of messages and of tasks, in order
  std::uint64_t rows = 0, rows_when_retired = 0;
  std::size_t trains_before_first_row = 0;
  std::vector<proto::CutPosition> cuts;
  std::vector<std::size_t> evaluated;  // scores by result
  std::set<std::string> doing;
  std::uint64_t repeated = 0;
  double lost_replies = 0;
  // Called when all of the script has been asked for; then it answers nobody any more.
  std::function<void()> dies;
  std::optional<proto::WorkerStand> stand;         // of a registration
  std::map<std::uint64_t, std::uint64_t> rows_of;  // by chunk: as the last position has it

 private:
  void Answer(std::optional<Envelope> envelope) {
    if (!envelope) return;
    const proto::Header& header = envelope->message.header;
    Message reply = header.kind() == proto::HEARTBEAT ? Heartbeat(envelope->message) : Once(envelope->message);
    if (dead_ || UnitDouble(Mix(9, ++draws_)) < lost_replies) return;
    (void)mailbox_->Send(envelope->from, std::move(reply));  // the worker may have ended
  }
  Message Heartbeat(const Message& message) {
    proto::Heartbeat body;
    EXPECT_TRUE(ParseBody(message, &body).ok());
    doing.insert(body.doing());
    return MakeReply(message.header, proto::Command());
  }
  // A request that was heard before gets the answer it got before.
  Message Once(const Message& message) {
    const auto before = answers_.find(message.header.request());
    if (before != answers_.end()) {
      ++repeated;
      return before->second;
    }
    return answers_[message.header.request()] = Hear(message);
  }
  Message Hear(const Message& message) {
    const proto::Header& header = message.header;
    EXPECT_EQ(header.role(), proto::WORKER);
    EXPECT_EQ(header.index(), 2u);
    switch (header.kind()) {
      case proto::NEXT_TASK:
        return NextTask(message);
      case proto::PROGRESS: {
        proto::Progress body;
        EXPECT_TRUE(ParseBody(message, &body).ok());
        rows += body.rows();
        for (const auto& position : body.position()) rows_of[position.chunk().id()] = position.rows();
        return MakeReply(header, command);
      }
      case proto::REGISTER: {
        proto::Register body;
        EXPECT_TRUE(ParseBody(message, &body).ok());
        stand = body.stand();
        for (const auto& lease : stand->lease()) rows_of[lease.position().chunk().id()] = lease.position().rows();
        return MakeReply(header, proto::Welcome());
      }
      case proto::EVAL_RESULT:
        told.push_back("eval result");
        evaluated.push_back(message.frames[1].As<float>().size());
        return MakeReply(header);
      case proto::CUT_POSITION:
        EXPECT_TRUE(ParseBody(message, &cuts.emplace_back()).ok());
        return MakeReply(header);
      default:
        ADD_FAILURE() << KindName(header.kind());
        return MakeReply(header);
    }
  }
  Message NextTask(const Message& message) {
    proto::NextTask body;
    EXPECT_TRUE(ParseBody(message, &body).ok());
    if (body.retired()) {
      told.push_back("retired");
      rows_when_retired = rows;
    }
    proto::Task task;
    task.set_kind(proto::Task::STOP);
    if (script.empty() && dies) {
      dead_ = true;
      dies();
    }
    if (!script.empty()) {
      task = script.front();
      script.pop_front();
    }
    told.push_back(proto::Task::Kind_Name(task.kind()));
    if (task.kind() == proto::Task::TRAIN && rows == 0) ++trains_before_first_row;
    return MakeReply(message.header, task);
  }

  const std::unique_ptr<Mailbox> mailbox_;
  std::map<std::uint64_t, Message> answers_;  // by request
  std::uint64_t draws_ = 0;
  bool dead_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

proto::Task MakeTask(proto::Task::Kind kind, std::uint32_t epoch, std::uint64_t chunk = 0,
                     std::uint64_t minibatches = 0, std::uint64_t start_clock = 0) {
  proto::Task task;
  task.set_kind(kind);
  task.set_epoch(epoch);
  task.set_start_clock(start_clock);
  if (kind == proto::Task::TRAIN || kind == proto::Task::EVALUATE) {
    *task.mutable_chunk() = TinyDataset::MakeChunk(chunk, 1000 * chunk, 1000 * chunk + minibatches * kBatch);
  }
  return task;
}

class TaskLoopTest : public ::testing::Test {
 protected:
  TaskLoopTest() : network_({.job = 5}), dataset_(kBatch), layout_(testing::TinySpec(), 2), scheduler_(&network_) {
    for (std::uint32_t i = 0; i < 2; ++i) {
      shards_.push_back(std::make_unique<TinyShard>(&network_, i, 2, TinyShard::Update::kMean, testing::Faults{}));
    }
    job_.mutable_train()->set_batch_size(kBatch);
  }

  // A worker from its first task to its end.
  Status RunWorker(double request_timeout = 20) {
    WorkerOptions options;
    options.job_id = 5;
    options.index = 2;
    options.scheduler_endpoint = kEndpoint;
    options.request_timeout_seconds = options.scheduler_wait_seconds = request_timeout;
    options.heartbeat_seconds = 0.01;
    options.leaders_dir = leaders_dir_;
    const std::unique_ptr<Mailbox> mailbox = network_.Open();
    const Peer peer = mailbox->Connect(kEndpoint).value();
    const auto notify = [&] { mailbox->Wake(); };
    Heartbeat heartbeat(&network_, &options, notify);
    Pipeline::Options pipeline_options;
    pipeline_options.job = &job_;
    pipeline_options.dataset = &dataset_;
    pipeline_options.network = &network_;
    pipeline_options.layout = &layout_;
    pipeline_options.make_model = [](std::uint32_t rows) -> Result<std::unique_ptr<Model<float>>> {
      return std::unique_ptr<Model<float>>(std::make_unique<TinyModel>(rows, TinyModel::Gradient::kError));
    };
    pipeline_options.client.job_id = 5;
    for (std::uint32_t i = 0; i < 2; ++i) pipeline_options.client.map.add_endpoint(TinyShard::Endpoint(i));
    pipeline_options.notify = notify;
    Pipeline pipeline(std::move(pipeline_options));
    return TaskLoop(&options, mailbox.get(), peer, &dataset_, &pipeline, &heartbeat).Run();
  }

  MemoryNetwork network_;
  std::string leaders_dir_;
  proto::Job job_;
  TinyDataset dataset_;
  ParameterLayout layout_;
  ScriptedScheduler scheduler_;
  std::vector<std::unique_ptr<TinyShard>> shards_;
};

std::deque<proto::Task> WholeJob() {
  std::deque<proto::Task> script;
  script.push_back(MakeTask(proto::Task::WAIT, 0));
  for (std::uint64_t chunk = 0; chunk < 5; ++chunk) script.push_back(MakeTask(proto::Task::TRAIN, 0, chunk, 30));
  script.push_back(MakeTask(proto::Task::END_EPOCH, 0));
  script.push_back(MakeTask(proto::Task::EVALUATE, 0, 7, 3));
  script.push_back(MakeTask(proto::Task::EVALUATE, 0, 8, 5));
  script.push_back(MakeTask(proto::Task::WAIT, 0));
  script.push_back(MakeTask(proto::Task::END_EPOCH, 1, 0, 0, 150));  // an epoch without a chunk for this worker
  return script;
}

// Every row is reported before the worker says that it has retired; evaluation comes after; nothing is asked for in
// between.
TEST_F(TaskLoopTest, DoesAJobFromFirstTaskToStop) {
  scheduler_.script = WholeJob();
  const Status status = RunWorker();
  ASSERT_TRUE(status.ok()) << status.text();
  scheduler_.Stop();
  EXPECT_EQ(scheduler_.rows_when_retired, 5u * 30 * kBatch);
  EXPECT_EQ(scheduler_.rows, 5u * 30 * kBatch);
  EXPECT_EQ(scheduler_.evaluated, (std::vector<std::size_t>{3 * kBatch, 5 * kBatch}));
  std::vector<std::string> up_to_evaluation(scheduler_.told.begin(), scheduler_.told.begin() + 9);
  EXPECT_EQ(up_to_evaluation, (std::vector<std::string>{"WAIT", "TRAIN", "TRAIN", "TRAIN", "TRAIN", "TRAIN",
                                                        "END_EPOCH", "retired", "EVALUATE"}));
  EXPECT_EQ(scheduler_.told.back(), "STOP");
  EXPECT_FALSE(scheduler_.doing.empty());
  for (auto& shard : shards_) {
    shard->Stop();
    EXPECT_EQ(shard->pushes, 150u);
    EXPECT_TRUE(shard->retired);
  }
}

// The scheduler is lost while the worker has chunks; another one hears where it is, and counts on from there.
TEST_F(TaskLoopTest, TellsTheSchedulerThatHasTakenOverWhereItIs) {
  leaders_dir_ = ::testing::TempDir() + "/task_loop_test_XXXXXX";
  ASSERT_NE(mkdtemp(leaders_dir_.data()), nullptr);
  ScriptedScheduler second(&network_, "inproc://second");
  std::unique_ptr<Leadership> leadership;
  for (std::uint64_t chunk = 0; chunk < 2; ++chunk) {
    scheduler_.script.push_back(MakeTask(proto::Task::TRAIN, 4, chunk, 200, 7));
    scheduler_.script.back().set_round(1);
  }
  scheduler_.script.back().set_end_minibatch(150);
  scheduler_.script.back().add_applied(3);
  scheduler_.script.back().add_applied(0);
  scheduler_.dies = [&] {
    proto::Leader leader;
    leader.set_job(5);
    leader.set_term(2);
    leader.set_endpoint("inproc://second");
    leadership = Leadership::Claim(leaders_dir_, leader, std::chrono::milliseconds(10)).value();
  };
  second.script.push_back(MakeTask(proto::Task::END_EPOCH, 4));
  second.script.back().set_round(1);
  for (auto& shard : shards_) shard->BeginEpoch(7);
  const Status status = RunWorker();
  ASSERT_TRUE(status.ok()) << status.text();
  scheduler_.Stop();
  second.Stop();
  ASSERT_TRUE(second.stand.has_value());
  EXPECT_EQ(second.stand->epoch(), 4u);
  EXPECT_EQ(second.stand->round(), 1u);
  EXPECT_FALSE(second.stand->ended());
  ASSERT_EQ(second.stand->lease_size(), 2);
  EXPECT_EQ(second.stand->lease(1).position().end_minibatch(), 150u);
  EXPECT_EQ(second.stand->lease(1).applied(0), 3u);
  EXPECT_EQ(second.rows_of[0], 200u * kBatch);
  EXPECT_EQ(second.rows_of[1], 150u * kBatch);
  EXPECT_EQ(second.told, (std::vector<std::string>{"END_EPOCH", "retired", "STOP"}));
  for (auto& shard : shards_) {
    shard->Stop();
    EXPECT_EQ(shard->pushes, 350u);
  }
  leadership.reset();
  EXPECT_TRUE(RemoveTree(leaders_dir_).ok());
}

// The epoch begins again, after the loss of another worker, but there is nothing left for this one: it retires once
// more, for shards wait for it again.
TEST_F(TaskLoopTest, RetiresFromEachRoundOfAnEpoch) {
  scheduler_.script.push_back(MakeTask(proto::Task::TRAIN, 0, 0, 30));
  scheduler_.script.push_back(MakeTask(proto::Task::END_EPOCH, 0));
  scheduler_.script.push_back(MakeTask(proto::Task::END_EPOCH, 0, 0, 0, 30));
  scheduler_.script.back().set_round(1);
  scheduler_.script.push_back(MakeTask(proto::Task::WAIT, 0));
  ASSERT_TRUE(RunWorker().ok());
  scheduler_.Stop();
  for (auto& shard : shards_) {
    shard->Stop();
    EXPECT_EQ(shard->retirements, 2u);
  }
}

// The scheduler's answers are lost now and then: nothing is counted twice or left out.
TEST_F(TaskLoopTest, RepeatsWhatWasNotAnswered) {
  scheduler_.script = WholeJob();
  scheduler_.lost_replies = 0.3;
  const Status status = RunWorker(12);
  ASSERT_TRUE(status.ok()) << status.text();
  scheduler_.Stop();
  EXPECT_GT(scheduler_.repeated, 0u);
  EXPECT_EQ(scheduler_.rows, 5u * 30 * kBatch);
  EXPECT_EQ(scheduler_.evaluated, (std::vector<std::size_t>{3 * kBatch, 5 * kBatch}));
}

// The next chunk is asked for while one is still being read.
TEST_F(TaskLoopTest, AsksForTheNextChunkBeforeTheLastOneIsDone) {
  for (std::uint64_t chunk = 0; chunk < 3; ++chunk)
    scheduler_.script.push_back(MakeTask(proto::Task::TRAIN, 0, chunk, 2000));
  scheduler_.script.push_back(MakeTask(proto::Task::END_EPOCH, 0));
  ASSERT_TRUE(RunWorker().ok());
  scheduler_.Stop();
  EXPECT_GE(scheduler_.trains_before_first_row, 2u);
}

TEST_F(TaskLoopTest, AnswersACutThatComesWithTheAnswerToItsProgress) {
  scheduler_.command.set_cut(3);
  scheduler_.command.set_cut_any_clock(true);
  // Long enough that a report is sent, and answered, before the epoch ends.
  for (std::uint64_t chunk = 0; chunk < 3; ++chunk)
    scheduler_.script.push_back(MakeTask(proto::Task::TRAIN, 0, chunk, 5000));
  scheduler_.script.push_back(MakeTask(proto::Task::END_EPOCH, 0));
  ASSERT_TRUE(RunWorker().ok());
  scheduler_.Stop();
  ASSERT_EQ(scheduler_.cuts.size(), 1u);
  std::uint64_t minibatches = 0;
  for (const proto::ChunkPosition& position : scheduler_.cuts[0].position()) minibatches += position.minibatches();
  EXPECT_EQ(minibatches, scheduler_.cuts[0].clock());
  for (auto& shard : shards_) {
    shard->Stop();
    for (const auto& [cut, rows] : shard->rows_at_mark) EXPECT_EQ(rows, minibatches * kBatch);
  }
}

TEST_F(TaskLoopTest, EndsWhenToldToInAnAnswer) {
  scheduler_.command.set_stop(true);
  for (std::uint64_t chunk = 0; chunk < 5000; ++chunk)
    scheduler_.script.push_back(MakeTask(proto::Task::TRAIN, 0, chunk, 60));
  ASSERT_TRUE(RunWorker().ok());
  scheduler_.Stop();
  EXPECT_FALSE(scheduler_.script.empty());
}

TEST_F(TaskLoopTest, ANaNLossIsTheReasonToEnd) {
  dataset_.nan_row = 1000 + 7 * kBatch;
  scheduler_.script = WholeJob();
  EXPECT_THAT(RunWorker().text(), AllOf(HasSubstr("rows 1112 to 1127 of tiny.tsv"), HasSubstr("chunk 1")));
}

TEST_F(TaskLoopTest, GivesUpNamingASchedulerThatIsGone) {
  scheduler_.Stop();
  const Status status = RunWorker(0.3);
  EXPECT_EQ(status.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(status.text(), HasSubstr(kEndpoint));
}

// Welcomes a worker with a processor that there is not, and answers what comes then by `code`.
Status RunFailingWorker(proto::StatusCode code, std::vector<std::string>* failures) {
  MemoryNetwork network({.job = 5});
  const std::unique_ptr<Mailbox> mailbox = network.Open();
  CHECK(mailbox->Bind(kEndpoint).ok());
  std::atomic<bool> over = false;
  std::thread scheduler([&] {
    while (!over) {
      const auto envelope = mailbox->Receive(Clock::now() + std::chrono::milliseconds(100));
      if (!envelope) continue;
      const proto::Header& header = envelope->message.header;
      proto::Welcome welcome;
      welcome.mutable_map()->add_endpoint("inproc://shard");
      welcome.set_simd("abacus");
      proto::Failure failure;
      if (header.kind() == proto::FAILURE && ParseBody(envelope->message, &failure).ok()) {
        failures->push_back(failure.text());
      }
      Message reply = header.kind() == proto::REGISTER ? MakeReply(header, welcome) : MakeReply(header, code, "no");
      (void)mailbox->Send(envelope->from, std::move(reply)).ok();
    }
  });
  WorkerOptions options;
  options.job_id = 5;
  options.scheduler_endpoint = kEndpoint;
  const Status status = sherd::RunWorker(&network, options);
  over = true;
  scheduler.join();
  return status;
}

TEST(RunWorker, AFailureThatTheSchedulerHasHeardIsTheSchedulersToTell) {
  std::vector<std::string> failures;
  const Status heard = RunFailingWorker(proto::OK, &failures);
  EXPECT_TRUE(heard.ok()) << heard.text();
  EXPECT_THAT(failures, ::testing::ElementsAre(HasSubstr("abacus")));
  EXPECT_THAT(RunFailingWorker(proto::INVALID, &failures).text(), AllOf(HasSubstr("worker 0"), HasSubstr("abacus")));
}

}  // namespace
}  // namespace sherd
