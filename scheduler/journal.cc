#include "scheduler/journal.h"

#include <cstdio>

#include "base/file.h"

namespace sherd {
namespace {

std::string PathOf(const std::string& dir, std::uint32_t term) {
  char name[32];
  std::snprintf(name, sizeof name, "journal-%06u", term);
  return JoinPath(dir, name);
}

Result<proto::SchedulerState> ReadFrom(const std::string& path) {
  ASSIGN_OR_RETURN(const auto texts, ReadRecords(path));
  proto::SchedulerState state;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    proto::JournalRecord record;
    if (!record.ParseFromString(texts[i]) || (i == 0 && !record.has_state())) {
      return Status::BadData(path + ": record " + std::to_string(i) + " is none of a journal");
    }
    Apply(record, &state);
  }
  return state;
}

}  // namespace

Journal::Journal(const std::string& dir, std::uint32_t term) : path_(PathOf(dir, term)) {}

Status Journal::Begin(const proto::SchedulerState& state) {
  if (path_.empty()) return {};
  proto::JournalRecord record;
  *record.mutable_state() = state;
  file_ = nullptr;
  ASSIGN_OR_RETURN(file_, RecordFile::Create(path_, record.SerializeAsString()));
  return {};
}

Status Journal::Add(const proto::JournalRecord& record) {
  if (file_ == nullptr) return {};
  return file_->Append(record.SerializeAsString());
}

Status Journal::Discard() {
  file_ = nullptr;
  return path_.empty() ? Status() : RemoveTree(path_);
}

Status RemoveJournalsBefore(const std::string& dir, std::uint32_t term) {
  while (--term > 0) RETURN_IF_ERROR(RemoveTree(PathOf(dir, term)));
  return {};
}

Result<proto::SchedulerState> ReadJournal(const std::string& dir, std::uint32_t term) {
  while (--term > 0) {
    auto state = ReadFrom(PathOf(dir, term));
    if (state.ok() || state.status().code() != ErrorCode::kNotFound) return state;
  }
  return Status::NotFound(
      dir + ": the scheduler that was lost has left no journal: training had not begun, or it could not write one");
}

void Apply(const proto::JournalRecord& record, proto::SchedulerState* state) {
  if (record.has_state()) *state = record.state();
  if (record.has_lost()) {
    *state->add_lost() = record.lost();
    if (record.lost().role() == proto::WORKER) state->set_lost_in_epoch(true);
  }
  if (record.has_placement()) *state->mutable_placement() = record.placement();
  if (record.has_done()) state->mutable_done()->MergeFrom(record.done().position());
  if (record.has_restore_point()) *state->mutable_restore_point() = record.restore_point();
  if (record.has_lost_updates()) *state->mutable_lost_updates() = record.lost_updates();
  if (record.has_finished()) *state->mutable_finished() = record.finished();
}

}  // namespace sherd
