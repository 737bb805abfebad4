#include "worker/ps_client.h"

#include <algorithm>
#include <span>
#include <utility>

namespace sherd {
namespace {

// Request timeouts that a shard may leave a request unanswered. It serves nobody while it writes a checkpoint, for
// which the scheduler gives it ten; and a pull may have to wait for a slow worker. That a shard is dead is found by its
// server's heartbeats, long before.
constexpr int kPatience = 11;

RequesterOptions RequestTimes(const PsClient::Options& options) {
  const std::chrono::milliseconds timeout(static_cast<std::int64_t>(options.request_timeout_seconds * 1000));
  return {.retry_after = std::min(options.retry_after, timeout / 12), .give_up_after = kPatience * timeout};
}

template <typename T>
Frame View(const T* data, std::size_t count, const WorkPtr& owner) {
  return {std::as_bytes(std::span(data, count)), owner};
}

}  // namespace

PsClient::PsClient(Mailbox* mailbox, Options options, const ParameterLayout* layout)
    : options_(std::move(options)),
      mailbox_(mailbox),
      layout_(layout),
      requester_(mailbox, RequestTimes(options_)),
      sequence_(layout->shards) {
  CHECK_EQ(options_.map.endpoint_size(), static_cast<int>(layout->shards));
}

Status PsClient::Connect() {
  for (const std::string& endpoint : options_.map.endpoint()) {
    Result<Peer> peer = mailbox_->Connect(endpoint);
    if (!peer.ok()) return peer.status().Annotate("connect to shard " + std::to_string(shards_.size()));
    shards_.push_back(std::move(peer).value());
  }
  return {};
}

Message PsClient::MakeMessage(proto::Kind kind, std::uint32_t shard, std::uint32_t epoch, std::uint64_t clock) const {
  Message message;
  proto::Header& header = message.header;
  header.set_version(1);
  header.set_kind(kind);
  header.set_job(options_.job_id);
  header.set_role(proto::WORKER);
  header.set_index(options_.index);
  header.set_incarnation(options_.incarnation);
  header.set_map_epoch(options_.map.epoch());
  header.set_shard(shard);
  header.set_epoch(epoch);
  header.set_clock(clock);
  return message;
}

void PsClient::AddSections(const WorkPtr& work, std::uint32_t shard, Parts parts, Message* message) const {
  message->frames.reserve(2 * (work->keys.size() + 1));
  if (parts != Parts::kDense) AddRows(work, shard, message);
  if (parts == Parts::kRows || layout_->dense_floats[shard] == 0) return;
  proto::Section* section = message->header.add_section();
  section->set_dense(true);
  section->set_count(layout_->blocks[shard].size());
  section->set_floats(layout_->dense_floats[shard]);
  if (message->header.kind() != proto::PUSH) return;
  message->frames.push_back(View(work->dense_gradients[shard].data(), layout_->dense_floats[shard], work));
}

void PsClient::AddRows(const WorkPtr& work, std::uint32_t shard, Message* message) const {
  for (std::uint32_t table = 0; table < work->keys.size(); ++table) {
    const UniqueKeys& unique = work->keys[table];
    const std::uint32_t begin = unique.shard_begin[shard];
    const std::uint32_t count = unique.shard_begin[shard + 1] - begin;
    if (count == 0) continue;
    const std::uint32_t floats = layout_->row_floats[table];
    proto::Section* section = message->header.add_section();
    section->set_table(table);
    section->set_count(count);
    section->set_floats(count * floats);
    message->frames.push_back(View(unique.keys.data() + begin, count, work));
    if (message->header.kind() != proto::PUSH) continue;
    const float* gradients = work->gradients[table].data() + std::size_t{begin} * floats;
    message->frames.push_back(View(gradients, std::size_t{count} * floats, work));
  }
}

void PsClient::Pull(const WorkPtr& work) {
  work->unanswered = 0;
  work->values.resize(layout_->shards);
  work->dense_values.resize(layout_->shards);
  const bool apart = options_.dense == Dense::kApart && !work->is(proto::Task::EVALUATE);
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    PullFrom(shard, apart ? Parts::kRows : Parts::kAll, work);
    if (apart && layout_->dense_floats[shard] > 0) PullFrom(shard, Parts::kDense, work);
  }
}

void PsClient::PullFrom(std::uint32_t shard, Parts parts, const WorkPtr& work) {
  Message message = MakeMessage(proto::PULL, shard, work->task->epoch(), work->clock);
  if (work->is(proto::Task::EVALUATE)) message.header.set_evaluation(true);
  AddSections(work, shard, parts, &message);
  ++work->unanswered;
  Send(std::move(message), work, parts);
}

void PsClient::Push(const WorkPtr& work, std::uint32_t job_seconds) {
  work->unanswered = layout_->shards;
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    Message message = MakeMessage(proto::PUSH, shard, work->task->epoch(), work->clock);
    message.header.set_sequence(++sequence_[shard]);
    message.header.set_chunk(work->minibatch.chunk);
    message.header.set_minibatch(work->minibatch.index);
    message.header.set_rows(work->minibatch.rows);
    message.header.set_learning_rate_scale(work->learning_rate_scale);
    message.header.set_job_seconds(job_seconds);
    AddSections(work, shard, Parts::kAll, &message);
    Send(std::move(message), work);
  }
}

void PsClient::Retire(const WorkPtr& work) {
  work->unanswered = layout_->shards;
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    Message message = MakeMessage(proto::RETIRE, shard, work->task->epoch(), work->clock);
    message.header.set_sequence(++sequence_[shard]);
    Send(std::move(message), work);
  }
}

void PsClient::Mark(std::uint32_t cut, std::uint32_t epoch, std::uint64_t clock) {
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    Message message = MakeMessage(proto::MARK, shard, epoch, clock);
    message.header.set_sequence(++sequence_[shard]);
    message.header.set_cut(cut);
    Send(std::move(message), nullptr);
  }
}

void PsClient::Send(Message message, WorkPtr work, Parts parts) {
  const proto::Header& header = message.header;
  Pending pending{header.kind(), header.shard(), header.clock(), std::move(work), parts};
  std::string what = Describe(pending.kind, pending.shard, pending.clock);
  const std::uint64_t request = requester_.Send(shards_[pending.shard], std::move(message), std::move(what));
  pending_.emplace(request, std::move(pending));
}

Status PsClient::Handle(Envelope envelope) {
  std::optional<Requester::Reply> reply = requester_.Match(std::move(envelope));
  if (!reply) return {};
  auto node = pending_.extract(reply->request);
  CHECK(!node.empty()) << "request " << reply->request;
  const Pending& pending = node.mapped();
  const auto annotate = [&](const Status& error) {
    return error.Annotate(Describe(pending.kind, pending.shard, pending.clock));
  };
  if (Status refused = StatusOf(reply->message.header); !refused.ok()) return annotate(refused);
  if (pending.work == nullptr) return {};
  if (pending.kind == proto::PULL) {
    if (Status bad = TakeValues(std::move(reply->message), pending); !bad.ok()) return annotate(bad);
  }
  CHECK_GT(pending.work->unanswered, 0u);
  --pending.work->unanswered;
  return {};
}

Status PsClient::TakeValues(Message message, const Pending& pending) const {
  const std::uint32_t shard = pending.shard;
  Work* const work = pending.work.get();
  const bool rows = pending.parts != Parts::kDense;
  const bool dense = pending.parts != Parts::kRows && layout_->dense_floats[shard] > 0;
  std::size_t sections = 0;
  // What the next values frame must be; the sections of an answer are those of its request.
  const auto check = [&](std::size_t floats, const std::string& of) -> Status {
    const std::size_t i = sections++;
    if (i >= message.frames.size()) return Status::BadData("the answer has no values of " + of);
    if (message.frames[i].size() != floats * sizeof(float)) {
      return Status::BadData("the answer's values of " + of + " have " + std::to_string(message.frames[i].size()) +
                             " bytes where " + std::to_string(floats * sizeof(float)) + " are expected");
    }
    const int given = message.header.section_size();
    if (given == 0) return {};
    if (static_cast<int>(i) >= given || message.header.section(i).floats() != floats ||
        message.header.section(i).encoding() != proto::FP32) {
      return Status::BadData("the answer's section of " + of + " does not fit its request");
    }
    return {};
  };
  for (std::uint32_t table = 0; rows && table < work->keys.size(); ++table) {
    const std::vector<std::uint32_t>& begin = work->keys[table].shard_begin;
    const std::size_t count = begin[shard + 1] - begin[shard];
    if (count > 0) RETURN_IF_ERROR(check(count * layout_->row_floats[table], "table " + std::to_string(table)));
  }
  if (dense) RETURN_IF_ERROR(check(layout_->dense_floats[shard], "the dense blocks"));
  if (message.frames.size() != sections) {
    return Status::BadData("the answer has " + std::to_string(message.frames.size()) + " frames where " +
                           std::to_string(sections) + " are expected");
  }
  const std::uint64_t clock = message.header.clock();
  if (work->is(proto::Task::TRAIN) && clock < work->clock)
    work->staleness = std::max(work->staleness, work->clock - clock);
  if (dense) {
    work->dense_values[shard] = std::move(message.frames.back());
    message.frames.pop_back();
  }
  if (rows) work->values[shard] = std::move(message.frames);
  return {};
}

std::string PsClient::Describe(proto::Kind kind, std::uint32_t shard, std::uint64_t clock) const {
  return KindName(kind) + " of clock " + std::to_string(clock) + " to shard " + std::to_string(shard) + " at " +
         options_.map.endpoint(shard);
}

}  // namespace sherd
