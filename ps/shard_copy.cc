// How a shard gets a new follower while it goes on: docs/fault_tolerance.md, "A new follower".
#include <glog/logging.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/manifest.h"
#include "ps/shard.h"

namespace sherd {
namespace {

constexpr char kStateName[] = "shard_state";
constexpr std::uint64_t kMostWaiting = std::uint64_t{256} << 20;  // bytes of operations that wait for the copy

}  // namespace

void Shard::Join(Envelope request, const std::string& follower) {
  if (joining_.has_value() && joining_->endpoint == follower) {  // asked again
    joining_->request = std::move(request);
    return;
  }
  if (joining_.has_value()) EndJoining(Status::Unavailable("another one is to follow"));
  if (options_.copy_dir.empty() || !options_.connect) {
    return Refuse(request, proto::FAILED, "there is no folder for a copy: the job has no checkpoint.dir");
  }
  // A log is known by its map. The scheduler's next attempt has another one.
  if (map_epoch_ <= log_.map_epoch()) return Refuse(request, proto::FAILED, "by this map it was tried before");
  Result<Peer> peer = options_.connect(follower);
  if (!peer.ok()) return Refuse(request, proto::FAILED, peer.status().text());
  joining_.emplace(Joining{.endpoint = follower, .peer = std::move(peer).value(), .request = std::move(request)});
}

// Nothing is between two of its states: then rows, dense blocks and State are all there is.
bool Shard::Quiet() const {
  const bool held = std::ranges::any_of(streams_, [](const auto& stream) { return !stream.second.held.empty(); });
  return !held && damage_.empty() && barrier_.empty() && !cut_.open() && writer_ == nullptr;
}

// The copy is of this moment. What is done from now on goes to the log behind it.
void Shard::BeginCopyIfQuiet() {
  if (!joining_.has_value() || joining_->begun || !Quiet()) return;
  joining_->begun = true;
  joining_->dir = JoinPath(
      options_.copy_dir, "follower-of-shard-" + std::to_string(options_.shard) + "-map-" + std::to_string(map_epoch_));
  joining_->state = State();
  log_.BeginLater(joining_->peer, map_epoch_);
  proto::LoadCheckpoint load;
  load.set_dir(joining_->dir);
  Message first = MakeControl(proto::LOAD, load);
  first.header.set_shard(options_.shard);
  Log(first);
  tracked_since_ = 0;
  joining_->writer = std::make_unique<CutWriter>(
      store_.get(),
      CutWriter::Options{.dir = joining_->dir, .compress = options_.compress_checkpoints, .wake = options_.wake});
  ready_ = true;
}

void Shard::WorkOnCopy(Deadline until) {
  if (!joining_.has_value() || joining_->writer == nullptr) return;
  ready_ = joining_->writer->Step(until);
  if (log_.bytes() > kMostWaiting) log_.Gate();  // then workers get no further ahead
  std::optional<Result<proto::ShardFile>> file = joining_->writer->Outcome();
  if (!file.has_value()) return;
  joining_->writer = nullptr;
  const Status status = FinishCopy(*std::move(file));
  if (!status.ok()) return EndJoining(status);
  joining_->copied = true;
  log_.SendFirst(&replies_);
}

Status Shard::FinishCopy(Result<proto::ShardFile> file) {
  RETURN_IF_ERROR(file.status());
  proto::Manifest manifest;
  *manifest.mutable_model() = store_->model();
  *manifest.add_file() = std::move(file).value();
  RETURN_IF_ERROR(WriteFileAtomically(JoinPath(joining_->dir, kStateName), joining_->state.SerializeAsString()));
  return WriteManifest(joining_->dir, manifest);
}

// Once it has the copy, answers wait for it; when it has caught up as well it is a follower like any other.
void Shard::HasAcknowledged(std::uint64_t number) {
  if (!joining_.has_value() || !joining_->copied || number == 0) return;
  if (!log_.released()) log_.Release(&replies_);
  log_.Gate();
  if (log_.all_acknowledged()) EndJoining({});
}

void Shard::EndJoining(const Status& status) {
  Joining joining = *std::exchange(joining_, std::nullopt);
  joining.writer = nullptr;
  if (!joining.dir.empty()) {
    const Status removed = RemoveTree(joining.dir);
    LOG_IF(WARNING, !removed.ok()) << removed.text();
  }
  if (status.ok()) {
    follower_endpoint_ = joining.endpoint;
    replies_.push_back({.from = joining.request.from, .message = MakeReply(joining.request.message.header)});
    return;
  }
  if (joining.begun) std::ranges::move(log_.End(), std::back_inserter(replies_));
  Refuse(joining.request, proto::FAILED, "new follower: " + status.text());
}

proto::ShardState Shard::State() const {
  proto::ShardState state;
  for (const auto& [worker, stream] : streams_) {
    proto::ShardState::Stream* const to = state.add_stream();
    to->set_worker(worker);
    to->set_incarnation(stream.incarnation);
    to->set_next(stream.next);
    to->set_fenced(stream.fenced);
    *to->mutable_taken() = TakenOf(worker, stream);
  }
  for (const auto& [worker, clock] : clocks_.clocks()) {
    proto::ShardState::WorkerClock* const to = state.add_clock();
    to->set_worker(worker);
    to->set_clock(clock);
  }
  if (!started_.empty()) CHECK(state.mutable_started()->ParseFromString(started_));
  applied_.ForEachRange([&](std::uint64_t chunk, std::uint32_t begin, std::uint32_t end) {
    proto::ShardState::Applied* const to = state.add_applied();
    to->set_chunk(chunk);
    to->set_begin(begin);
    to->set_end(end);
  });
  state.set_job_seconds(job_seconds());
  return state;
}

// Of a copy; a checkpoint that the primary loads has none.
Status Shard::RestoreState(const std::string& dir) {
  const std::string path = JoinPath(dir, kStateName);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  proto::ShardState state;
  if (!state.ParseFromString(bytes)) return Status::BadData(path + ": is not the state of a shard");
  streams_.clear();
  for (const proto::ShardState::Stream& from : state.stream()) {
    if (from.worker() >= kMostWorkers) return Status::BadData(path + ": no such worker");
    Stream& stream = streams_[from.worker()];
    stream.incarnation = from.incarnation();
    stream.next = from.next();
    stream.fenced = from.fenced();
    stream.pushes = from.taken().pushes();
    stream.updates = from.taken().updates();
  }
  for (const proto::ShardState::WorkerClock& from : state.clock()) clocks_.Restore(from.worker(), from.clock());
  if (state.has_started()) started_ = state.started().SerializeAsString();
  epoch_ = state.started().epoch();
  round_ = state.started().round();
  for (const proto::ShardState::Applied& from : state.applied()) {
    applied_.AddRange(from.chunk(), from.begin(), from.end());
  }
  job_seconds_ = state.job_seconds();
  barrier_.RestoreJobSeconds(state.job_seconds());
  return {};
}

}  // namespace sherd
