#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <fstream>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/job_file.h"
#include "models/feature_layout.h"
#include "models/model.h"
#include "net/memory_network.h"
#include "ps/shard.h"
#include "tests/worker/counted_memory.h"
#include "worker/data/dataset.h"
#include "worker/pipeline.h"

namespace sherd {
namespace {

constexpr char kJob[] = R"(
  name: "steady"
  data { format: CRITEO_TSV }
  feature { column: "I1..I13" bucket {} }
  feature { column: "C1..C26" categorical {} }
  feature { name: "number" column: "I1" number { transform: LOG } }
  model {
    name: "deepfm" embedding_dim: 8 tower { hidden: 32 hidden: 16 }
    linear_optimizer { adagrad {} } embedding_optimizer { adagrad {} } dense_optimizer { adam {} }
  }
  train { batch_size: 128 }
)";
constexpr std::uint32_t kBatch = 128, kMinibatches = 800, kRows = kMinibatches * kBatch;

// Rows of a few thousand keys, so that before long the tables have them all.
void WriteRows(const std::string& path) {
  std::ofstream out(path);
  for (std::uint64_t row = 0; row < kRows; ++row) {
    out << Below(Mix(row, 1), 2);
    for (std::uint64_t column = 0; column < 13; ++column) out << '\t' << Below(Mix(row, column, 2), 50);
    for (std::uint64_t column = 0; column < 26; ++column)
      out << '\t' << std::hex << Below(Mix(row, column, 3), 100) << std::dec;
    out << '\n';
  }
}

// A shard on a thread of its own, named "shard".
class ShardThread {
 public:
  ShardThread(Network* network, const proto::ModelSpec& spec, std::uint32_t shard, std::uint32_t shards)
      : mailbox_(network->Open()),
        shard_({.shard = shard, .map_epoch = 1, .train = {}, .memory_budget = 0, .spill_dir = ""},
               ShardStore::Make(spec, 1, shard, shards).value()) {
    CHECK(mailbox_->Bind(Endpoint(shard)).ok());
    proto::StartEpoch start;
    start.add_worker(0);
    shard_.Handle({.from = "s", .message = MakeControl(proto::START_EPOCH, start)});
    thread_ = std::thread([this] { Run(); });
  }
  ~ShardThread() {
    stopping_ = true;
    mailbox_->Wake();
    thread_.join();
  }
  static std::string Endpoint(std::uint32_t shard) { return "inproc://shard-" + std::to_string(shard); }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), "shard");
    while (!stopping_) {
      std::optional<Envelope> request = mailbox_->Receive(Clock::now() + std::chrono::seconds(1));
      if (!request) continue;
      std::vector<Envelope> replies = shard_.Handle(std::move(*request));
      for (Envelope& reply : replies) {
        const Status sent = mailbox_->Send(reply.from, reply.message);
        LOG_IF(WARNING, !sent.ok()) << sent.text();
        mailbox_->pool().Put(std::move(reply.message));
      }
      shard_.Reuse(std::move(replies));
    }
  }

  const std::unique_ptr<Mailbox> mailbox_;
  Shard shard_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

void TrainWithoutAllocating(RowCaches::Options cache) {
  const std::string path = ::testing::TempDir() + "/steady.tsv";
  WriteRows(path);
  proto::Job job = ParseJob(kJob, "steady").value();
  job.mutable_data()->add_train(path);
  const FeatureLayout features = FeatureLayout::Make(job).value();
  const auto dataset = Dataset::Open(job, features, {.max_chunk_minibatches = 2 * kMinibatches}).value();
  const ParameterLayout layout(DescribeModel(job).value(), 2);
  MemoryNetwork network({.job = 0});
  PsClient::Options client;
  client.map.set_epoch(1);
  client.cache = cache;
  std::vector<std::unique_ptr<ShardThread>> shards;
  for (std::uint32_t i = 0; i < 2; ++i) {
    shards.push_back(std::make_unique<ShardThread>(&network, DescribeModel(job).value(), i, 2));
    client.map.add_endpoint(ShardThread::Endpoint(i));
  }
  Pipeline pipeline({.job = &job,
                     .dataset = dataset.get(),
                     .network = &network,
                     .layout = &layout,
                     .make_model = [&](std::uint32_t rows) { return MakeModel<float>(job, rows); },
                     .client = client,
                     .shape = PipelineShape::Choose(job, 2),
                     .predict = false,
                     .notify = [] {}});
  const std::vector<proto::Chunk> chunks = dataset->Chunks(proto::Chunk::TRAIN, 0, 1).value();
  const auto add = [&](std::span<const proto::Chunk> some) {
    for (const proto::Chunk& chunk : some) {
      proto::Task task;
      task.set_kind(proto::Task::TRAIN);
      *task.mutable_chunk() = chunk;
      pipeline.Add(task);
    }
  };
  std::uint64_t rows = 0;
  const auto train_to = [&](std::uint64_t minibatches) {
    const Deadline deadline = Clock::now() + std::chrono::seconds(100);
    while (rows < minibatches * kBatch && pipeline.status().ok() && Clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      rows += pipeline.TakeProgress().rows();
    }
    return rows / kBatch;
  };
  // What it is that a chunk costs is not asked here: the last one is measured within.
  const std::uint64_t of_chunk = kMinibatches / chunks.size();
  add(std::span(chunks).first(chunks.size() - 1));
  train_to(kMinibatches - of_chunk);
  add(std::span(chunks).last(1));
  const std::uint64_t begin = train_to(kMinibatches - of_chunk + 10);
  auto before = testing::AllocationsByThread();
  const std::uint64_t end = train_to(kMinibatches - 5);
  auto after = testing::AllocationsByThread();
  ASSERT_TRUE(pipeline.status().ok()) << pipeline.status().text();
  ASSERT_GT(end, begin + 20);
  for (const char* stage : {"read", "keys", "compute", "exchange", "shard"}) {
    EXPECT_TRUE(after.contains(stage)) << "the threads have names";
    EXPECT_EQ(after[stage] - before[stage], 0u) << stage << " in " << end - begin << " minibatches";
  }
}

// train.steady of the bench: in the steady state a minibatch takes no memory, from reading its rows to updating them.
TEST(SteadyTest, AMinibatchAllocatesNothing) {
  if (testing::AllocationsByThread().empty()) GTEST_SKIP() << "the sanitizer's allocator is not counted";
  TrainWithoutAllocating({});
}

TEST(SteadyTest, NorDoesOneSomeOfWhoseRowsAreKept) {
  if (testing::AllocationsByThread().empty()) GTEST_SKIP() << "the sanitizer's allocator is not counted";
  TrainWithoutAllocating({.clocks = 3, .rows = 1 << 12});
}

}  // namespace
}  // namespace sherd
