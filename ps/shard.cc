#include "ps/shard.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sherd {
namespace {

constexpr std::size_t kMostHeldPulls = 1 << 14;
constexpr std::uint64_t kUnbounded = std::numeric_limits<std::uint64_t>::max();

std::uint64_t StalenessOf(const proto::Train& train) {
  switch (train.consistency()) {
    case proto::Train::BSP:
      return 0;
    case proto::Train::BOUNDED:
      return train.max_staleness();
    case proto::Train::ASYNC:
      break;
  }
  return kUnbounded;
}

std::string Worker(const proto::Header& header) { return "worker " + std::to_string(header.index()); }

}  // namespace

Shard::Shard(ShardOptions options, std::unique_ptr<ShardStore> store)
    : options_(std::move(options)),
      staleness_(StalenessOf(options_.train)),
      dense_staleness_(options_.train.has_dense_staleness() ? options_.train.dense_staleness() : staleness_),
      bsp_(options_.train.consistency() == proto::Train::BSP),
      gathers_dense_(!bsp_ && dense_staleness_ == 0),
      store_(std::move(store)),
      checker_(store_.get()),
      barrier_(store_.get(), bsp_ ? ClockBarrier::Parts::kAll : ClockBarrier::Parts::kDense),
      memory_(store_.get(), options_.memory_budget),
      map_epoch_(options_.map_epoch) {}

std::vector<Envelope> Shard::Handle(Envelope request) {
  const proto::Header& header = request.message.header;
  if (header.reply()) {
    HandleAcknowledgement(request);
  } else if (header.kind() == proto::OPERATION) {
    HandleOperation(std::move(request));
  } else if (header.kind() == proto::SHARD_MAP) {
    HandleShardMap(request);
  } else if (part_ == Part::kPrimary || header.kind() == proto::STOP) {
    HandleRequest(std::move(request));
  } else {
    RefuseByMap(request);
  }
  BeginCopyIfQuiet();
  return std::exchange(replies_, {});
}

void Shard::HandleRequest(Envelope request) {
  switch (request.message.header.kind()) {
    case proto::PULL:
    case proto::PUSH:
    case proto::RETIRE:
    case proto::MARK:
    case proto::RESTART:
      HandleWorker(std::move(request));
      break;
    case proto::START_EPOCH:
      HandleStartEpoch(request);
      break;
    case proto::OPEN_CUT:
      HandleOpenCut(request);
      break;
    case proto::AWAIT_CUT:
      HandleAwaitCut(std::move(request));
      break;
    case proto::PRUNE:
      HandlePrune(request);
      break;
    case proto::LOAD:
      HandleLoad(request);
      break;
    case proto::SHARD_STATUS:
      HandleStatus(request);
      break;
    case proto::FENCE:
      HandleFence(request);
      break;
    case proto::CHUNKS_DONE:
      HandleChunksDone(request);
      break;
    case proto::TAKE_OVER:
      HandleTakeOver(request);
      break;
    case proto::STOP:
      stopped_ = true;
      Log(request.message);
      Reply(request, MakeReply(request.message.header));
      break;
    default:
      Refuse(request, proto::INVALID, "a shard does not know " + KindName(request.message.header.kind()));
  }
}

void Shard::Reuse(std::vector<Envelope> sent) {
  sent.clear();
  if (replies_.empty()) std::swap(replies_, sent);
}

// ---- workers -------------------------------------------------------------------------------------------------------

void Shard::HandleWorker(Envelope request) {
  Stream* const stream = Admit(request);
  if (stream == nullptr) return;
  if (request.message.header.kind() == proto::PULL) {
    HandlePull(std::move(request), stream);
  } else {
    HandleOrdered(std::move(request), stream);
  }
}

Shard::Stream* Shard::Admit(const Envelope& request) {
  const proto::Header& header = request.message.header;
  const auto refuse = [&](proto::StatusCode code, const std::string& text) -> Stream* {
    Refuse(request, code, text);
    return nullptr;
  };
  if (header.shard() != options_.shard) {
    return refuse(proto::INVALID, "meant for shard " + std::to_string(header.shard()) + ", this is shard " +
                                      std::to_string(options_.shard));
  }
  if (header.map_epoch() != map_epoch_) {
    RefuseByMap(request);
    return nullptr;
  }
  if (!damage_.empty()) return refuse(proto::FAILED, damage_);
  if (header.index() >= kMostWorkers) return refuse(proto::INVALID, "no such " + Worker(header));
  return StreamOf(request);
}

Shard::Stream* Shard::StreamOf(const Envelope& request) {
  const proto::Header& header = request.message.header;
  Stream& stream = streams_[header.index()];
  if (header.incarnation() < stream.incarnation) {
    Refuse(request, proto::STALE,
           Worker(header) + (stream.fenced ? " was taken for lost, and its work is others' now"
                                           : " has been replaced: incarnation " + std::to_string(stream.incarnation)));
    return nullptr;
  }
  const bool new_one = header.incarnation() > stream.incarnation;
  if (new_one) {
    ForgetWorker(header.index());
    stream.incarnation = header.incarnation();
  }
  // What comes in order is logged when it is done; but a successor's first pull changes the stream too.
  if (header.kind() == proto::PULL && (new_one || stream.fenced)) {
    Message arrival;
    arrival.header.set_kind(proto::PULL);
    arrival.header.set_shard(options_.shard);
    arrival.header.set_index(header.index());
    arrival.header.set_incarnation(header.incarnation());
    Log(arrival);
  }
  stream.fenced = false;
  return &stream;
}

// Its successor begins at sequence 1. What it had waiting was never acknowledged, or was meant for itself alone.
void Shard::ForgetWorker(std::uint32_t worker) {
  streams_[worker] = {};
  std::erase_if(pulls_, [&](const Envelope& pull) { return pull.message.header.index() == worker; });
}

void Shard::HandlePull(Envelope request, Stream* stream) {
  if (const Status status = ViewPull(request.message); !status.ok()) {
    return Refuse(request, proto::INVALID, "pull: " + status.text());
  }
  const proto::Header& header = request.message.header;
  if (!header.evaluation() && !header.unnamed()) stream->pulled.Note(request.message);
  if (Ready(header)) {
    AnswerPull(request);
    return messages_.Put(std::move(request.message));
  }
  for (Envelope& held : pulls_) {
    const proto::Header& other = held.message.header;
    if (other.index() != header.index() || other.request() != header.request()) continue;
    held = std::move(request);  // repeated: answered once, and where it came from last
    if (!trouble_.empty()) Advance();
    return;
  }
  if (pulls_.size() >= kMostHeldPulls) return Refuse(request, proto::UNAVAILABLE, "too many pulls wait here");
  pulls_.push_back(std::move(request));
}

Status Shard::ViewPull(const Message& message) {
  const CpuMeter::Scope scope(options_.meter, CpuMeter::Part::kChecks);
  return checker_.ViewPull(message, &view_);
}

void Shard::HandleOrdered(Envelope request, Stream* stream) {
  const proto::Header& header = request.message.header;
  if (header.sequence() == 0) return Refuse(request, proto::INVALID, "no sequence number");
  if (header.sequence() < stream->next) return AnswerAgain(std::move(request), stream);
  if (header.sequence() > stream->next) {
    Message reply = MakeReply(header, proto::OUT_OF_ORDER, "the one before it is missing");
    reply.header.set_sequence(stream->next);
    return Reply(request, std::move(reply));
  }
  if (header.has_keys_of() && !GiveKeys(&request, *stream)) return;
  if (cut_.Holds(header.index())) {
    const Status status = header.kind() == proto::PUSH ? checker_.ViewPush(request.message, &view_) : Status();
    if (!status.ok()) return Refuse(request, proto::INVALID, KindName(header.kind()) + ": " + status.text());
    ++stream->next;
    stream->pulled.ForgetUpTo(header.keys_of());
    Log(request.message);
    stream->held.push_back(std::move(request));
    return;
  }
  if (header.kind() == proto::PUSH && part_ == Part::kPrimary) {
    if (const Status status = TakesPushes(); !status.ok()) return Refuse(request, proto::UNAVAILABLE, status.text());
  }
  if (const Status status = Execute(request.message); !status.ok()) {
    const bool later = status.code() == ErrorCode::kUnavailable;
    return Refuse(request, later ? proto::UNAVAILABLE : proto::INVALID, KindName(header.kind()) + ": " + status.text());
  }
  ++stream->next;
  stream->pulled.ForgetUpTo(header.keys_of());
  Log(request.message);
  Reply(request, NewReply(header));
  messages_.Put(std::move(request.message));
  Advance();
}

bool Shard::GiveKeys(Envelope* push, const Stream& stream) {
  const proto::Header& header = push->message.header;
  PulledKeys::Given given = PulledKeys::Given::kMisfit;
  if (header.kind() == proto::PUSH) given = stream.pulled.GiveTo(&push->message);
  switch (given) {
    case PulledKeys::Given::kYes:
      return true;
    case PulledKeys::Given::kUnknown:
      Refuse(*push, proto::KEYS_UNKNOWN, "the keys of request " + std::to_string(header.keys_of()) + " are not here");
      return false;
    case PulledKeys::Given::kMisfit:
      break;
  }
  Refuse(*push, proto::INVALID, "its sections are not those of request " + std::to_string(header.keys_of()));
  return false;
}

// Before the marks of an open cut there may be pushes that the checkpoint can not do without: they are taken though the
// budget is used up, which is why it should leave the machine some room.
Status Shard::TakesPushes() {
  if (!memory_.exceeded() || cut_.open()) return {};
  return Status::Unavailable("shard " + std::to_string(options_.shard) + ": " + memory_.full());
}

// A number that was taken before: done long ago, or still held; that one's answer goes where it was asked for last.
void Shard::AnswerAgain(Envelope request, Stream* stream) {
  const std::uint64_t age = stream->next - request.message.header.sequence();  // 1: the last one taken
  if (age > stream->held.size()) return Reply(request, MakeReply(request.message.header));
  Envelope& held = stream->held[stream->held.size() - age];
  held.from = std::move(request.from);
  held.message.header.set_request(request.message.header.request());
}

Status Shard::Execute(const Message& message) {
  const proto::Header& header = message.header;
  const std::uint32_t worker = header.index();
  if (header.kind() == proto::MARK) {
    cut_.Mark(header.cut(), worker);
    return {};
  }
  if (header.kind() == proto::RESTART) return ExecuteRestart(message);
  if (!clocks_.live(worker)) return Status::Invalid(Worker(header) + " has no part in this epoch");
  if (header.kind() == proto::RETIRE) {
    clocks_.Retire(worker);
    return {};
  }
  return ExecutePush(message);
}

Status Shard::ExecutePush(const Message& message) {
  const proto::Header& header = message.header;
  const std::uint64_t clock = clocks_.at(header.index());
  if (clock == ClockTable::kRetired) return Status::Invalid(Worker(header) + " has retired from this epoch");
  if (header.clock() < clock || header.clock() >= ClockTable::kRetired - 1 || (bsp_ && header.clock() != clock)) {
    return Status::Invalid("of clock " + std::to_string(header.clock()) + ", but " + Worker(header) + " is at " +
                           std::to_string(clock));
  }
  RETURN_IF_ERROR(checker_.ViewPush(message, &view_));
  if (!bsp_) RETURN_IF_ERROR(Prepare());
  ++pushes_;
  if (header.rows() > 0) CountPush(header, &streams_[header.index()]);
  if (header.has_chunk()) applied_.Add(header.chunk(), header.minibatch());
  clocks_.Set(header.index(), header.clock() + 1);
  if (bsp_) {
    barrier_.Add(header.index(), message);
    return {};
  }
  job_seconds_ = std::max(job_seconds_, header.job_seconds());
  checker_.DecodeGradients(&view_);
  ApplyPrepared(header);
  if (gathers_dense_) barrier_.Add(header.index(), message);
  return {};
}

// Room for all that view_ may add, or none of it is applied.
Status Shard::Prepare() {
  store_->DealBudget();
  for (const SectionView& section : view_.sections) {
    if (section.dense) continue;
    const Status status = store_->table(section.table).Prepare(section.keys);
    trouble_ = status.ok()
                   ? ""
                   : "table '" + store_->model().table(static_cast<int>(section.table)).name() + "': " + status.text();
    if (!status.ok()) return Status::Unavailable(trouble_);
  }
  return {};
}

void Shard::ApplyPrepared(const proto::Header& header) {
  const CpuMeter::Scope scope(options_.meter, CpuMeter::Part::kRowUpdate);
  const PushStep step{.divisor = static_cast<float>(header.rows()),
                      .rate_scale = header.has_learning_rate_scale() ? header.learning_rate_scale() : 1,
                      .clock = header.clock(),
                      .seconds = job_seconds_,
                      .noise = Mix(header.index(), header.clock())};
  store_->Advance(step.clock, step.seconds);
  for (const SectionView& section : view_.sections) {
    if (!section.dense) {
      store_->table(section.table).PushPrepared(section.keys, section.gradients.data(), step);
    } else if (!gathers_dense_) {
      store_->dense().Push(section.gradients.data(), step.divisor, step.rate_scale);
    }
  }
}

// ---- what a change makes possible ----------------------------------------------------------------------------------

void Shard::Advance() {
  if (bsp_) store_->DealBudget();
  for (bool moved = true; moved;) {
    moved = false;
    // A retirement may let several clocks through at once; all of them were pushed before the cut.
    while ((bsp_ || gathers_dense_) && barrier_.ApplyClock(clocks_)) moved = true;
    if (bsp_) trouble_ = barrier_.trouble();
    if (cut_.Complete(clocks_)) {
      StartWriting();
      moved = true;
    }
  }
  memory_.Look();
  AnswerPulls();
}

void Shard::AnswerPulls() {
  std::erase_if(pulls_, [&](Envelope& pull) {
    if (!Ready(pull.message.header)) return false;
    AnswerPull(pull);
    messages_.Put(std::move(pull.message));
    return true;
  });
}

bool Shard::Ready(const proto::Header& pull) const {
  const std::uint64_t bound = pull.evaluation() ? kUnbounded : BoundOf(pull);
  if (bound == kUnbounded) return true;
  const std::uint64_t smallest = clocks_.smallest();
  return smallest >= pull.clock() || pull.clock() - smallest <= bound;
}

// The stricter one, where a pull asks for rows and dense blocks.
std::uint64_t Shard::BoundOf(const proto::Header& pull) const {
  const int sections = pull.section_size();
  const bool dense = sections > 0 && pull.section(sections - 1).dense();
  if (!dense) return staleness_;
  return sections == 1 ? dense_staleness_ : std::min(staleness_, dense_staleness_);
}

void Shard::AnswerPull(const Envelope& request) {
  checker_.ViewAgain(request.message, &view_);
  Result<Message> values = GatherValues(request.message.header, view_);
  if (!values.ok()) return Refuse(request, proto::FAILED, "pull: " + values.status().text());
  Reply(request, std::move(values).value());
}

Result<Message> Shard::GatherValues(const proto::Header& request, const RequestView& view) {
  const CpuMeter::Scope scope(options_.meter, CpuMeter::Part::kRowGather);
  constexpr std::size_t kLine = kAlignment / sizeof(float);
  const auto lines = [](std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kLine; };
  std::size_t total = 0;
  for (const SectionView& section : view.sections) total += lines(section.bytes);

  Message reply = NewReply(request);
  const std::uint64_t smallest = clocks_.smallest();
  reply.header.set_clock(smallest == ClockTable::kRetired ? request.clock() : smallest);
  const BufferPool::Lent buffer = pool_.Take(total);
  float* values = buffer.floats.data();
  for (std::size_t i = 0; i < view.sections.size(); ++i) {
    const SectionView& part = view.sections[i];
    const std::span bytes(reinterpret_cast<std::byte*>(values), part.bytes);
    if (part.dense) {
      GatherDense(part, bytes.data());
    } else {
      RETURN_IF_ERROR(GatherRows(part, bytes.data()));
    }
    proto::Section* section = reply.header.add_section();
    *section = request.section(static_cast<int>(i));
    section->set_floats(static_cast<std::uint32_t>(part.floats));
    reply.frames.emplace_back(bytes, buffer.owner);
    values += lines(part.bytes);
  }
  return reply;
}

// Straight into the reply, or through a part at a time that stays in the cache.
Status Shard::GatherRows(const SectionView& section, std::byte* out) {
  EmbeddingTable& table = store_->table(section.table);
  if (section.encoding == proto::FP32) return table.Pull(section.keys, reinterpret_cast<float*>(out));
  constexpr std::size_t kPart = 2048;
  const ValueCodec& codec = checker_.row_codec(section.table);
  rows_.Resize(kPart * codec.floats());
  for (std::size_t first = 0; first < section.keys.size(); first += kPart) {
    const auto keys = section.keys.subspan(first, std::min(kPart, section.keys.size() - first));
    RETURN_IF_ERROR(table.Pull(keys, rows_.data()));
    for (std::size_t i = 0; i < keys.size(); ++i, out += codec.bytes(section.encoding)) {
      codec.Encode(section.encoding, &rows_[i * codec.floats()], std::nullopt, out);
    }
  }
  return {};
}

void Shard::GatherDense(const SectionView& section, std::byte* out) {
  if (section.encoding == proto::FP32) return store_->dense().Pull(reinterpret_cast<float*>(out));
  rows_.Resize(section.floats);
  store_->dense().Pull(rows_.data());
  checker_.dense_codec().Encode(section.encoding, rows_.data(), std::nullopt, out);
}

// ---- the scheduler -------------------------------------------------------------------------------------------------

void Shard::HandleStartEpoch(const Envelope& request) {
  proto::StartEpoch start;
  if (const Status status = ParseBody(request.message, &start); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  Log(request.message);
  Reply(request, MakeReply(request.message.header));
  Start(start);
}

void Shard::HandleStatus(const Envelope& request) {
  proto::ShardStatus status;
  store_->Describe(&status);
  status.set_pushes(pushes_);
  status.set_refused(refused_);
  Reply(request, MakeReply(request.message.header, status));
}

// ---- replies -------------------------------------------------------------------------------------------------------

Message Shard::NewReply(const proto::Header& request) {
  Message reply = messages_.Take();
  FillReply(request, proto::OK, &reply);
  return reply;
}

void Shard::Reply(const Envelope& request, Message reply) {
  if (request.from.empty()) {  // it was redone from the log
    redo_answer_ = std::move(reply);
    return;
  }
  Envelope answer{.from = request.from, .message = std::move(reply)};
  const proto::Kind kind = answer.message.header.kind();
  // A pull may see what the follower has not: whoever pushed that will push it to the follower, if need be.
  const bool promises = answer.message.header.code() == proto::OK && kind != proto::PULL &&
                        kind != proto::SHARD_STATUS && kind != proto::PRUNE && kind != proto::STOP;
  if (promises) {
    log_.Answer(std::move(answer), &replies_);
  } else {
    replies_.push_back(std::move(answer));
  }
}

void Shard::Refuse(const Envelope& request, proto::StatusCode code, const std::string& text) {
  if (code == proto::INVALID) ++refused_;
  Reply(request, MakeReply(request.message.header, code, text));
}

}  // namespace sherd
