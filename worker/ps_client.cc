#include "worker/ps_client.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "net/pulled_keys.h"
#include "net/seal.h"

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

// Puts `count` times the codec's floats to `to`, in the place of a frame of them. Returns where the next ones go.
float* Decode(const ValueCodec& codec, proto::Encoding encoding, std::size_t count, float* to, Frame* frame) {
  float* const first = to;
  const std::byte* from = frame->bytes().data();
  for (std::size_t i = 0; i < count; ++i, from += codec.bytes(encoding), to += codec.floats()) {
    codec.Decode(encoding, from, to);
  }
  *frame = Frame(std::as_bytes(std::span(first, to)), nullptr);  // the work's own memory
  return to;
}

}  // namespace

PsClient::PsClient(Mailbox* mailbox, Options options, const ParameterLayout* layout)
    : options_(std::move(options)),
      mailbox_(mailbox),
      layout_(layout),
      requester_(
          mailbox, RequestTimes(options_),
          [this](const proto::Header& request) { return Describe(request.kind(), request.shard(), request.clock()); }),
      encoder_(options_.encoding, layout, options_.index),
      caches_(options_.cache, layout),
      sequence_(layout->shards),
      history_(layout->shards) {
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

Result<std::vector<proto::Restarted>> PsClient::TakeMap(const proto::ShardMap& map) {
  std::vector<proto::Restarted> restarted;
  if (map.epoch() <= options_.map.epoch()) return restarted;
  if (map.endpoint_size() != options_.map.endpoint_size()) {
    return Status::BadData("shard map " + std::to_string(map.epoch()) + " has " + std::to_string(map.endpoint_size()) +
                           " shards in place of " + std::to_string(options_.map.endpoint_size()));
  }
  const proto::ShardMap before = std::exchange(options_.map, map);
  const auto restored = [](const proto::ShardMap& map, int shard) {
    return shard < map.restored_size() ? map.restored(shard) : 0;
  };
  for (int shard = 0; shard < map.endpoint_size(); ++shard) {
    Peer peer = shards_[shard];
    if (map.endpoint(shard) != before.endpoint(shard)) {
      Result<Peer> there = mailbox_->Connect(map.endpoint(shard));
      if (!there.ok()) return there.status().Annotate("connect to shard " + std::to_string(shard));
      peer = std::move(there).value();
    }
    const bool anew = restored(map, shard) != restored(before, shard);
    std::vector<proto::Header> unanswered;
    requester_.Redirect(shards_[shard], peer, [&](proto::Header* header) {
      header->set_map_epoch(map.epoch());
      if (!anew || !header->has_sequence()) return;
      unanswered.push_back(*header);
      header->set_sequence(1 + unanswered.size());  // behind RESTART
    });
    shards_[shard] = std::move(peer);
    if (!anew) continue;
    restarted.push_back(Restart(static_cast<std::uint32_t>(shard), unanswered));
    restarted.back().set_restored(restored(map, shard));
  }
  return restarted;
}

proto::Restarted PsClient::Restart(std::uint32_t shard, const std::vector<proto::Header>& unanswered) {
  Message message = MakeMessage(proto::RESTART, shard, 0, 0);
  const proto::Restart body = history_.RestartOf(shard, unanswered, &message.header);
  message.header.set_sequence(1);
  message.frames.push_back(Frame::Of(body.SerializeAsString()));
  Send(std::move(message), nullptr);
  sequence_[shard] = 1 + unanswered.size();
  proto::Restarted restarted;
  restarted.set_shard(shard);
  *restarted.mutable_taken() = body.taken();
  restarted.mutable_taken()->set_worker(options_.index);
  restarted.mutable_taken()->set_incarnation(options_.incarnation);
  return restarted;
}

Message PsClient::MakeMessage(proto::Kind kind, std::uint32_t shard, std::uint32_t epoch, std::uint64_t clock) const {
  Message message = mailbox_->pool().Take();
  proto::Header& header = message.header;
  header.set_version(kWireVersion);
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

proto::Encoding PsClient::EncodingOf(const Work& work) const {
  return work.is(proto::Task::EVALUATE) ? proto::FP32 : options_.encoding;
}

void PsClient::AddSections(const WorkPtr& work, std::uint32_t shard, Parts parts, Message* message) const {
  const bool push = message->header.kind() == proto::PUSH;
  const proto::Encoding encoding = EncodingOf(*work);
  const auto add = [&](std::size_t count, std::size_t floats, std::size_t bytes, const std::byte* gradients) {
    proto::Section* section = message->header.add_section();
    section->set_count(static_cast<std::uint32_t>(count));
    section->set_floats(static_cast<std::uint32_t>(floats));
    if (encoding != proto::FP32) section->set_encoding(encoding);
    if (push) message->frames.emplace_back(std::span(gradients, bytes), work);
    return section;
  };
  const std::vector<UniqueKeys>& keys = push ? work->keys : KeysToPull(*work);
  for (std::uint32_t table = 0; parts != Parts::kDense && table < keys.size(); ++table) {
    const std::vector<std::uint32_t>& begin = keys[table].shard_begin;
    const std::size_t count = begin[shard + 1] - begin[shard];
    if (count == 0) continue;
    const ValueCodec& codec = layout_->row_codecs[table];
    const std::byte* gradients = push ? encoder_.Rows(*work, table, begin[shard]) : nullptr;
    add(count, count * codec.floats(), count * codec.bytes(encoding), gradients)->set_table(table);
  }
  const ValueCodec& codec = layout_->dense_codecs[shard];
  if (parts == Parts::kRows || codec.floats() == 0) return;
  const std::byte* gradients = push ? encoder_.Blocks(*work, shard) : nullptr;
  add(layout_->blocks[shard].size(), codec.floats(), codec.bytes(encoding), gradients)->set_dense(true);
}

void PsClient::AddKeysFrames(const WorkPtr& work, const std::vector<UniqueKeys>& keys, std::uint32_t shard,
                             std::vector<Frame>* frames) const {
  for (const UniqueKeys& unique : keys) {
    const std::uint32_t begin = unique.shard_begin[shard], end = unique.shard_begin[shard + 1];
    if (begin < end) frames->emplace_back(std::as_bytes(unique.keys.span().subspan(begin, end - begin)), work);
  }
}

void PsClient::Pull(const WorkPtr& work) {
  work->unanswered = 0;
  work->values.resize(layout_->shards);
  work->dense_values.resize(layout_->shards);
  // A push of more rows than were pulled has to bring its keys.
  const bool named = !caches_.Serves(*work);
  work->pulls.resize(named ? layout_->shards : 0);
  if (!named) caches_.GiveKept(work.get());
  const bool apart = options_.dense == Dense::kApart && !work->is(proto::Task::EVALUATE);
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    const std::uint64_t request = PullFrom(shard, apart ? Parts::kRows : Parts::kAll, work);
    if (named) work->pulls[shard] = request;
    if (apart && layout_->dense_floats[shard] > 0) PullFrom(shard, Parts::kDense, work);
  }
}

std::uint64_t PsClient::PullFrom(std::uint32_t shard, Parts parts, const WorkPtr& work) {
  Message message = MakeMessage(proto::PULL, shard, work->task->epoch(), work->clock);
  if (work->is(proto::Task::EVALUATE)) message.header.set_evaluation(true);
  if (work->pulls.empty()) message.header.set_unnamed(true);
  AddSections(work, shard, parts, &message);
  if (parts != Parts::kDense) AddKeysFrames(work, KeysToPull(*work), shard, &message.frames);
  ++work->unanswered;
  return Send(std::move(message), work, parts);
}

void PsClient::Push(const WorkPtr& work, std::uint32_t job_seconds) {
  work->unanswered = layout_->shards;
  work->push_seconds.assign(layout_->shards, 0);
  encoder_.Encode(work.get());
  history_.Pushed(*work);
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    Message message = MakeMessage(proto::PUSH, shard, work->task->epoch(), work->clock);
    message.header.set_sequence(++sequence_[shard]);
    message.header.set_chunk(work->minibatch.chunk);
    message.header.set_minibatch(work->minibatch.index);
    if (work->applied_by(shard)) {  // it keeps sequence and clock, no more
      message.header.set_rows(0);
      Send(std::move(message), work);
      continue;
    }
    message.header.set_rows(work->minibatch.examples());
    message.header.set_learning_rate_scale(work->learning_rate_scale);
    message.header.set_job_seconds(job_seconds);
    AddSections(work, shard, Parts::kAll, &message);
    history_.SentTo(shard, message.header);
    if (work->pulls.empty()) {
      keys_.clear();
      AddKeysFrames(work, work->keys, shard, &keys_);
      GiveKeys(keys_, &message);
      keys_.clear();
    } else {
      message.header.set_keys_of(work->pulls[shard]);
    }
    Send(std::move(message), work);
  }
  work->pulls.clear();
  // What rounding left out of dense gradients that not every shard got does not belong to the next ones.
  if (work->applied_by_any()) encoder_.Forget();
}

void PsClient::Retire(const WorkPtr& work) {
  encoder_.Forget();
  caches_.Clear();
  history_.Retired(*work);
  work->unanswered = layout_->shards;
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    Message message = MakeMessage(proto::RETIRE, shard, work->task->epoch(), work->clock);
    message.header.set_sequence(++sequence_[shard]);
    Send(std::move(message), work);
  }
}

void PsClient::Mark(std::uint32_t cut, std::uint32_t epoch, std::uint64_t clock) {
  encoder_.Forget();
  for (std::uint32_t shard = 0; shard < layout_->shards; ++shard) {
    Message message = MakeMessage(proto::MARK, shard, epoch, clock);
    message.header.set_sequence(++sequence_[shard]);
    message.header.set_cut(cut);
    Send(std::move(message), nullptr);
  }
}

std::uint64_t PsClient::Send(Message message, WorkPtr work, Parts parts) {
  const proto::Header& header = message.header;
  Pending pending{header.kind(), header.shard(), header.clock(), std::move(work), parts, Clock::now()};
  const std::uint64_t request = requester_.Send(shards_[pending.shard], std::move(message));
  if (spare_.empty()) {
    pending_.emplace(request, std::move(pending));
    return request;
  }
  PendingRequests::node_type node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = request;
  node.mapped() = std::move(pending);
  pending_.insert(std::move(node));
  return request;
}

void PsClient::SendKeys(const Envelope& answer) {
  const Message* named = requester_.Find(answer);
  if (named == nullptr || !named->header.has_keys_of()) return;
  const std::uint64_t request = named->header.request();
  const Pending& pending = pending_.at(request);
  Message message = *named;
  message.header.clear_keys_of();
  std::vector<Frame> keys;
  AddKeysFrames(pending.work, pending.work->keys, pending.shard, &keys);
  GiveKeys(keys, &message);
  requester_.Replace(request, std::move(message));
}

Status PsClient::Handle(Envelope envelope) {
  if (envelope.message.header.code() == proto::KEYS_UNKNOWN) {
    SendKeys(envelope);
    return {};
  }
  std::optional<Requester::Reply> reply = requester_.Match(std::move(envelope));
  if (!reply) return {};
  auto node = pending_.extract(reply->request);
  CHECK(!node.empty()) << "request " << reply->request;
  const Pending pending = std::move(node.mapped());
  spare_.push_back(std::move(node));
  const auto annotate = [&](const Status& error) {
    return error.Annotate(Describe(pending.kind, pending.shard, pending.clock));
  };
  if (Status refused = StatusOf(reply->message.header); !refused.ok()) return annotate(refused);
  if (pending.work == nullptr) return {};
  if (pending.kind == proto::PULL) {
    if (Status bad = TakeValues(&reply->message, pending); !bad.ok()) return annotate(bad);
  } else if (pending.kind == proto::PUSH) {
    pending.work->push_seconds[pending.shard] = std::chrono::duration<double>(Clock::now() - pending.sent).count();
  }
  mailbox_->pool().Put(std::move(reply->message));
  CHECK_GT(pending.work->unanswered, 0u);
  --pending.work->unanswered;
  return {};
}

Status PsClient::TakeValues(Message* answer, const Pending& pending) {
  Message& message = *answer;
  const std::uint32_t shard = pending.shard;
  Work* const work = pending.work.get();
  const bool rows = pending.parts != Parts::kDense;
  const bool dense = pending.parts != Parts::kRows && layout_->dense_floats[shard] > 0;
  const proto::Encoding encoding = EncodingOf(*work);
  std::size_t sections = 0;
  // What the next values frame must be; the sections of an answer are those of its request.
  const auto check = [&](std::size_t count, const ValueCodec& codec, std::optional<std::uint32_t> table) -> Status {
    const auto of = [&] { return table ? "table " + std::to_string(*table) : std::string("the dense blocks"); };
    const std::size_t i = sections++, bytes = count * codec.bytes(encoding);
    if (i >= message.frames.size()) return Status::BadData("the answer has no values of " + of());
    if (message.frames[i].size() != bytes) {
      return Status::BadData("the answer's values of " + of() + " have " + std::to_string(message.frames[i].size()) +
                             " bytes where " + std::to_string(bytes) + " are expected");
    }
    const int given = message.header.section_size();
    if (given == 0 && encoding == proto::FP32) return {};
    if (static_cast<int>(i) >= given || message.header.section(i).floats() != count * codec.floats() ||
        message.header.section(i).encoding() != encoding) {
      return Status::BadData("the answer's section of " + of() + " does not fit its request");
    }
    return {};
  };
  const std::vector<UniqueKeys>& keys = KeysToPull(*work);
  for (std::uint32_t table = 0; rows && table < keys.size(); ++table) {
    const std::vector<std::uint32_t>& begin = keys[table].shard_begin;
    const std::size_t count = begin[shard + 1] - begin[shard];
    if (count > 0) RETURN_IF_ERROR(check(count, layout_->row_codecs[table], table));
  }
  if (dense) RETURN_IF_ERROR(check(1, layout_->dense_codecs[shard], std::nullopt));
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
    if (encoding != proto::FP32) DecodeBlocks(shard, work);
  }
  if (rows) {
    std::swap(work->values[shard], message.frames);
    if (caches_.Serves(*work)) {
      caches_.TakePulled(shard, clock, encoding, work);
    } else if (encoding != proto::FP32) {
      DecodeRows(shard, work);
    }
  }
  return {};
}

void PsClient::DecodeRows(std::uint32_t shard, Work* work) const {
  std::size_t floats = 0;
  for (std::uint32_t table = 0; table < work->keys.size(); ++table) {
    const std::vector<std::uint32_t>& begin = work->keys[table].shard_begin;
    floats += std::size_t{begin[shard + 1] - begin[shard]} * layout_->row_floats[table];
  }
  work->decoded.resize(layout_->shards);
  work->decoded[shard].Resize(floats);
  float* to = work->decoded[shard].data();
  std::vector<Frame>::iterator frame = work->values[shard].begin();
  for (std::uint32_t table = 0; table < work->keys.size(); ++table) {
    const std::vector<std::uint32_t>& begin = work->keys[table].shard_begin;
    const std::size_t count = begin[shard + 1] - begin[shard];
    if (count > 0) to = Decode(layout_->row_codecs[table], options_.encoding, count, to, &*frame++);
  }
}

void PsClient::DecodeBlocks(std::uint32_t shard, Work* work) const {
  work->dense_decoded.resize(layout_->shards);
  AlignedBuffer<float>& decoded = work->dense_decoded[shard];
  decoded.Resize(layout_->dense_floats[shard]);
  Decode(layout_->dense_codecs[shard], options_.encoding, 1, decoded.data(), &work->dense_values[shard]);
}

std::string PsClient::Describe(proto::Kind kind, std::uint32_t shard, std::uint64_t clock) const {
  return KindName(kind) + " of clock " + std::to_string(clock) + " to shard " + std::to_string(shard) + " at " +
         options_.map.endpoint(shard);
}

}  // namespace sherd
