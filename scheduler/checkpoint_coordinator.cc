#include "scheduler/checkpoint_coordinator.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

namespace sherd {
namespace {

std::string Numbers(const std::string& name, const std::set<std::uint32_t>& numbers) {
  std::string text;
  for (const std::uint32_t number : numbers) text += (text.empty() ? name + " " : ", ") + std::to_string(number);
  return text;
}

}  // namespace

void CheckpointCoordinator::Begin(CutPlan plan, Deadline marks_until, Deadline written_until) {
  CHECK(idle()) << "cut " << plan_.cut << " is under way";
  *this = {};
  plan_ = std::move(plan);
  marks_until_ = marks_until;
  written_until_ = written_until;
  waiting_ = plan_.workers;
  for (std::uint32_t shard = 0; shard < plan_.shards; ++shard) opening_.insert(shard);
  writing_ = opening_;
  files_.resize(plan_.shards);
  phase_ = Phase::kOpening;
}

bool CheckpointCoordinator::Open(std::uint32_t cut) const {
  return cut == plan_.cut && (phase_ == Phase::kOpening || phase_ == Phase::kMarking || phase_ == Phase::kWriting);
}

void CheckpointCoordinator::Opened(std::uint32_t cut, std::uint32_t shard) {
  if (!Open(cut)) return;
  opening_.erase(shard);
  GoOn();
}

void CheckpointCoordinator::Marked(std::uint32_t cut, std::uint32_t worker, std::uint64_t clock,
                                   std::vector<proto::ChunkPosition> part) {
  if (!Open(cut) || phase_ != Phase::kMarking || !waiting_.contains(worker)) return;
  marked_.insert(worker);
  clock_ = std::max(clock_, clock);
  std::move(part.begin(), part.end(), std::back_inserter(parts_));
  Settle(worker);
}

void CheckpointCoordinator::Late(std::uint32_t cut, const std::string& worker) {
  if (Open(cut) && phase_ == Phase::kMarking) {
    Abandon(worker + " was past clock " + std::to_string(plan_.clock), true);
  }
}

bool CheckpointCoordinator::Lose(std::uint32_t worker) {
  if (!Open(plan_.cut) || (!waiting_.contains(worker) && !marked_.contains(worker))) return false;
  Abandon("worker " + std::to_string(worker) + " was lost", true);
  return true;
}

void CheckpointCoordinator::LosePrimaries(const std::string& why) {
  if (Open(plan_.cut)) Abandon(why, true);
}

void CheckpointCoordinator::Settle(std::uint32_t worker) {
  waiting_.erase(worker);
  GoOn();
}

void CheckpointCoordinator::GoOn() {
  if (phase_ == Phase::kOpening && opening_.empty()) phase_ = Phase::kMarking;
  if (phase_ == Phase::kMarking && waiting_.empty()) phase_ = Phase::kWriting;
}

void CheckpointCoordinator::Wrote(std::uint32_t cut, std::uint32_t shard, proto::ShardFile file) {
  if (!Open(cut) || phase_ != Phase::kWriting || writing_.erase(shard) == 0) return;
  files_[shard] = std::move(file);
  if (writing_.empty()) phase_ = Phase::kWritten;
}

void CheckpointCoordinator::Failed(std::uint32_t cut, const std::string& why) {
  if (Open(cut)) Abandon(why, false);
}

void CheckpointCoordinator::Tick(Deadline now) {
  if (phase_ == Phase::kOpening && now >= marks_until_) Abandon("not opened by " + Numbers("shard", opening_), true);
  if (phase_ == Phase::kMarking && now >= marks_until_) Abandon("not marked by " + Numbers("worker", waiting_), true);
  if (phase_ == Phase::kWriting && now >= written_until_)
    Abandon("not written by " + Numbers("shard", writing_), false);
}

void CheckpointCoordinator::Tell(std::uint32_t worker, proto::Command* command) const {
  if (phase_ != Phase::kMarking || !waiting_.contains(worker)) return;
  command->set_cut(plan_.cut);
  command->set_cut_clock(plan_.clock);
  command->set_cut_any_clock(plan_.any_clock);
}

void CheckpointCoordinator::Abandon(std::string why, bool worth_retrying) {
  phase_ = Phase::kAbandoned;
  reason_ = std::move(why);
  worth_retrying_ = worth_retrying;
}

}  // namespace sherd
