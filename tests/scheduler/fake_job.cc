#include "tests/scheduler/fake_job.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"
#include "tests/scheduler/fake_worker.h"

namespace sherd {

FakeJob::FakeJob(std::uint32_t servers, std::uint32_t workers) : scripts(workers), network_({.job = 42}) {
  options.job_id = 42;
  options.servers = servers;
  options.workers = workers;
  options.bind_endpoint = "inproc://scheduler";
  options.job.set_name("fake");
  options.job.mutable_cluster()->set_request_timeout(10);
  options.job.mutable_cluster()->set_heartbeat_timeout(5);
  options.job.mutable_data()->set_max_bad_fraction(0.1);
  options.job.mutable_evaluation()->set_metric(proto::Evaluation::ACCURACY);
  options.job.mutable_train();
  own_dir_ = testing::TempDir() + "/scheduler_test_XXXXXX";
  EXPECT_NE(mkdtemp(own_dir_.data()), nullptr);
  options.checkpoint_dir = own_dir_;
}

FakeJob::~FakeJob() { EXPECT_TRUE(RemoveTree(own_dir_).ok()); }

Status FakeJob::Run() {
  Scheduler own(&network_, options, this, this, this);
  const auto bound = own.Bind();
  if (!bound.ok()) return bound.status();
  endpoint_ = *bound;
  over_ = false;
  scheduler = &own;
  if (before_run) before_run(&own);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < options.servers; ++i) threads.emplace_back([this, i] { RunServer(i); });
  for (std::uint32_t i = 0; i < scripts.size(); ++i) threads.emplace_back([this, i] { FakeWorker(this, i).Run(); });
  Status status = own.Run();
  over_ = true;
  for (std::thread& thread : threads) thread.join();
  scheduler = nullptr;
  return status;
}

std::uint64_t FakeJob::Count(proto::Chunk::Set set) const {
  return set == proto::Chunk::TRAIN ? train_chunks : set == proto::Chunk::EVAL ? eval_chunks : test_chunks;
}

Result<std::vector<proto::Chunk>> FakeJob::NewChunks(std::uint32_t, proto::Followed* followed) {
  if (coming_chunks.empty()) return std::vector<proto::Chunk>();
  const std::uint64_t count = coming_chunks.front();
  coming_chunks.pop_front();
  if (count == 0) return std::vector<proto::Chunk>();
  followed->add_name("file-" + std::to_string(followed->files()));
  followed->set_files(followed->files() + 1);
  return MakeChunks(proto::Chunk::TRAIN, count);
}

Result<std::vector<proto::Chunk>> FakeJob::Chunks(proto::Chunk::Set set, std::uint32_t, std::uint32_t) {
  return MakeChunks(set, Count(set));
}

std::vector<proto::Chunk> FakeJob::MakeChunks(proto::Chunk::Set set, std::uint64_t count) const {
  std::vector<proto::Chunk> chunks(count);
  for (std::uint64_t i = 0; i < chunks.size(); ++i) {
    chunks[i].set_id(i);
    chunks[i].set_begin(i * kMinibatches * kRows);
    chunks[i].set_end((i + 1) * kMinibatches * kRows);
    chunks[i].set_in_memory(true);
    chunks[i].set_set(set);
    chunks[i].set_file(static_cast<std::uint32_t>(i % train_files));
  }
  return chunks;
}

void FakeJob::OnProgress(const ProgressReport& report) {
  record.Add("progress", std::to_string(report.rows));
  most_failed = std::max(most_failed, report.failed_checkpoints);
  if (on_progress) on_progress();
}

void FakeJob::OnEpochEnd(const EpochReport& report) {
  record.Add("epoch", std::to_string(report.epoch) + " rows " + std::to_string(report.rows) + " loss " +
                          std::to_string(report.loss));
  tables = report.tables;
  files = report.files;
}

void FakeJob::OnEvaluation(const EvaluationReport& report) { evaluations.push_back(report); }

void FakeJob::OnCheckpoint(const std::string& dir, std::uint64_t, double) {
  record.Add("checkpoint", dir);
  if (on_checkpoint) on_checkpoint(dir);
}

Status FakeJob::Write(std::span<const float> values) {
  predictions.insert(predictions.end(), values.begin(), values.end());
  return {};
}

Status FakeJob::Finish() {
  record.Add("finished", std::to_string(predictions.size()));
  return finish;
}

void FakeJob::RunServer(std::uint32_t server) {
  const auto shard_mailbox = network_.Open();
  proto::Register body;
  body.set_host("serverhost");
  body.set_pid(500 + server);
  body.add_shard_endpoint("inproc://shard" + std::to_string(server));
  EXPECT_TRUE(shard_mailbox->Bind(body.shard_endpoint(0)).ok());
  std::thread shard([&] { RunShard(server, shard_mailbox.get()); });
  const auto mailbox = network_.Open();
  const Peer scheduler = *mailbox->Connect(endpoint_);
  Message message = MakeControl(proto::REGISTER, body);
  while (!over_) {
    message.header.set_role(proto::SERVER);
    message.header.set_index(server);
    message.header.set_incarnation(1);
    (void)mailbox->Send(scheduler, message).ok();
    const auto answer = mailbox->Receive(Clock::now() + std::chrono::milliseconds(100));
    if (answer) message = MakeControl(proto::HEARTBEAT, BeatOf(server));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  shard.join();
}

proto::Heartbeat FakeJob::BeatOf(std::uint32_t server) {
  const std::lock_guard lock(mutex_);
  return beats_[server];
}

void FakeJob::Beat(std::uint32_t server, const proto::Heartbeat& beat) {
  const std::lock_guard lock(mutex_);
  beats_[server] = beat;
}

// As a shard does with the cut that is open, a file of four bytes.
Result<proto::ShardFile> FakeJob::WriteFile(std::uint32_t shard) {
  if (failing_writes-- > 0) return Status(ErrorCode::kIo, "disk full");
  const proto::OpenCut& cut = cuts_[shard];
  proto::ShardFile file;
  file.set_name("shard-" + std::to_string(shard));
  file.set_bytes(4);
  file.set_delta(deltas && cut.since_cut() > 0 && written_[shard] == cut.since_cut());
  record.Add(file.name(), file.delta() ? "delta" : "full");
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(cut.dir(), file.name()), "rows"));
  written_[shard] = cut.cut();
  return file;
}

Message FakeJob::Fenced(std::uint32_t shard, const Message& message) {
  proto::Fence fence;
  EXPECT_TRUE(ParseBody(message, &fence).ok());
  record.Add("shard " + std::to_string(shard),
             "fence " + std::to_string(fence.worker()) + " below incarnation " + std::to_string(fence.incarnation()));
  proto::Fenced fenced;
  for (const proto::ChunkRange& range : fence.range()) {
    fenced.add_applied(applied ? applied(shard, range) : range.first_minibatch());
  }
  return MakeReply(message.header, fenced);
}

void FakeJob::RunShard(std::uint32_t shard, Mailbox* mailbox) {
  const std::string name = "shard " + std::to_string(shard);
  while (!over_) {
    auto envelope = mailbox->Receive(Clock::now() + std::chrono::milliseconds(50));
    if (!envelope) continue;
    const proto::Header& header = envelope->message.header;
    Message reply = MakeReply(header);
    proto::StartEpoch start;
    proto::OpenCut cut;
    proto::LoadCheckpoint load;
    const std::lock_guard lock(mutex_);
    if (header.kind() == proto::START_EPOCH && ParseBody(envelope->message, &start).ok()) {
      record.Add(name, "start " + std::to_string(start.epoch()) + " at " + std::to_string(start.clock()));
      version_ = static_cast<int>(start.epoch()) + 1;
    } else if (header.kind() == proto::OPEN_CUT && ParseBody(envelope->message, &cut).ok()) {
      version_of[cut.dir()] = version_;
      cuts_[shard] = cut;
      record.Add(name, "cut");
    } else if (header.kind() == proto::AWAIT_CUT) {
      const Result<proto::ShardFile> file = WriteFile(shard);
      reply = file.ok() ? MakeReply(header, *file) : MakeReply(header, proto::FAILED, file.status().text());
    } else if (header.kind() == proto::LOAD && ParseBody(envelope->message, &load).ok()) {
      if (version_of.contains(load.dir())) version_ = version_of[load.dir()];
      record.Add(name, "load " + load.dir());
      for (const proto::LoadPart& part : load.part()) record.Add(name, "load " + part.name() + " from " + part.from());
      written_.clear();
      if (damaged.contains(load.dir())) reply = MakeReply(header, proto::FAILED, "shard-0: block 3: checksum");
    } else if (header.kind() == proto::FENCE) {
      reply = Fenced(shard, envelope->message);
    } else if (header.kind() == proto::TAKE_OVER) {
      proto::TakeOver take;
      EXPECT_TRUE(ParseBody(envelope->message, &take).ok());
      record.Add(name, "taken over by term " + std::to_string(header.incarnation()) +
                           ", lost: " + std::to_string(take.lost_size()) + (take.has_start() ? ", in an epoch" : ""));
      if (take.has_start()) version_ = static_cast<int>(take.start().epoch()) + 1;
      reply = MakeReply(header, taken);
    } else if (header.kind() == proto::PRUNE) {
      record.Add(name, "prune");
    } else if (header.kind() == proto::SHARD_STATUS) {
      reply = MakeReply(header, shard_status);
    } else if (header.kind() == proto::STOP) {
      record.Add(name, "stop");
    }
    (void)mailbox->Send(envelope->from, std::move(reply)).ok();
  }
}

}  // namespace sherd
