// What a shard does for checkpoints: it holds pushes at a cut, writes its file while it serves, and loads one.
#include <filesystem>
#include <utility>

#include "base/file.h"
#include "base/host_name.h"
#include "ps/checkpoint_loader.h"
#include "ps/local_checkpoints.h"
#include "ps/shard.h"
#include "ps/warm_start.h"

namespace sherd {

void Shard::HandleOpenCut(const Envelope& request) {
  proto::OpenCut open;
  Status status = ParseBody(request.message, &open);
  if (status.ok() && open.cut() == 0) status = Status::Invalid("open cut: cuts are numbered from 1");
  if (!status.ok()) return Refuse(request, proto::INVALID, status.text());
  if (open.cut() < cut_.number()) {
    return Refuse(request, proto::STALE, "cut " + std::to_string(cut_.number()) + " was opened since");
  }
  Log(request.message);
  Reply(request, MakeReply(request.message.header));
  if (open.cut() == cut_.number()) return;
  const bool abandoned = cut_.open();
  writer_ = nullptr;
  cut_.Open(std::move(open));
  cut_.AnswerWaiting(&replies_);
  if (abandoned) ReleaseHeld();
  Advance();
}

void Shard::HandleAwaitCut(Envelope request) {
  proto::OpenCut wanted;
  if (const Status status = ParseBody(request.message, &wanted); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  std::optional<Message> answer = cut_.Answer(request.message.header, wanted.cut());
  if (answer.has_value()) return Reply(request, std::move(*answer));
  cut_.Await(std::move(request));
}

void Shard::HandlePrune(const Envelope& request) {
  proto::Prune prune;
  if (const Status status = ParseBody(request.message, &prune); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  const Status status = options_.server_dir.empty() ? Status() : PruneLocalCheckpoints(options_.server_dir, prune);
  if (!status.ok()) return Refuse(request, proto::FAILED, status.text());
  Reply(request, MakeReply(request.message.header));
}

void Shard::HandleLoad(const Envelope& request) {
  const proto::Header& header = request.message.header;
  const bool redone = request.from.empty();
  if (!redone && last_load_.has_value() && last_load_->from == request.from &&
      last_load_->request == header.request()) {
    return Reply(request, last_load_->reply);
  }
  proto::LoadCheckpoint load;
  if (const Status status = ParseBody(request.message, &load); !status.ok()) {
    return Refuse(request, proto::INVALID, status.text());
  }
  if (joining_.has_value()) EndJoining(Status::Unavailable("the shard was loaded anew"));
  clocks_.Clear();
  started_.clear();
  applied_.Clear();
  barrier_.Clear();
  cut_.Abandon();
  writer_ = nullptr;
  tracked_since_ = 0;
  Status status = load.part().empty() ? LoadShard(load.dir(), store_.get()) : LoadParts(load, store_.get());
  if (status.ok() && request.from.empty()) status = RestoreState(load.dir());
  damage_ = status.ok() ? "" : "shard " + std::to_string(options_.shard) + ": load: " + status.text();
  Message reply = status.ok() ? MakeReply(header) : MakeReply(header, proto::FAILED, damage_);
  Log(request.message);
  last_load_ = Answered{.from = request.from, .request = header.request(), .reply = reply};
  Reply(request, std::move(reply));
  cut_.AnswerWaiting(&replies_);
  ReleaseHeld();
  Advance();
}

// The cut's own, or one of the same name on the server's own disk.
std::string Shard::FolderOfCut() const {
  const std::string& dir = cut_.plan().dir();
  if (options_.server_dir.empty()) return dir;
  return JoinPath(options_.server_dir, std::filesystem::path(dir).filename().string());
}

void Shard::StartWriting() {
  if (part_ != Part::kPrimary) {  // who writes it
    cut_.Abandon();
    return ReleaseHeld();
  }
  if (joining_.has_value() && joining_->writer != nullptr) {
    EndJoining(Status::Unavailable("a checkpoint came between"));  // one file at a time is written of a store
  }
  const proto::OpenCut& plan = cut_.plan();
  writer_ = std::make_unique<CutWriter>(
      store_.get(), CutWriter::Options{.dir = FolderOfCut(),
                                       .delta = plan.since_cut() != 0 && plan.since_cut() == tracked_since_,
                                       .track = plan.deltas_follow(),
                                       .compress = options_.compress_checkpoints,
                                       .wake = options_.wake});
  ready_ = true;
  tracked_since_ = plan.deltas_follow() ? plan.cut() : 0;
  taken_ = Taken();
  cut_.StartWriting();
  ReleaseHeld();
}

std::vector<Envelope> Shard::Work(Deadline until) {
  if (writer_ == nullptr) {
    WorkOnCopy(until);
    return std::exchange(replies_, {});
  }
  ready_ = writer_->Step(until);
  if (std::optional<Result<proto::ShardFile>> file = writer_->Outcome(); file.has_value()) {
    writer_ = nullptr;
    if (file->ok() && !options_.server_dir.empty()) {
      (*file)->set_name(JoinPath(FolderOfCut(), (*file)->name()));
      (*file)->set_host(HostName());
    }
    if (file->ok()) (*file)->mutable_taken()->Assign(taken_.begin(), taken_.end());
    cut_.Finish(*std::move(file));
    cut_.AnswerWaiting(&replies_);
    BeginCopyIfQuiet();
  }
  return std::exchange(replies_, {});
}

void Shard::ReleaseHeld() {
  for (auto& [worker, stream] : streams_) {
    while (!stream.held.empty() && !cut_.Holds(worker)) {
      const Status status = Execute(stream.held.front().message);
      if (!status.ok() && status.code() == ErrorCode::kUnavailable) break;  // until the next message
      const Envelope request = std::move(stream.held.front());
      stream.held.pop_front();
      if (status.ok()) {
        Reply(request, MakeReply(request.message.header));
      } else {
        Refuse(request, proto::INVALID, KindName(request.message.header.kind()) + ": " + status.text());
      }
    }
  }
}

}  // namespace sherd
