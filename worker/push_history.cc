#include "worker/push_history.h"

#include <algorithm>
#include <set>
#include <utility>

namespace sherd {

void PushHistory::Count::Add(const proto::Header& push) {
  if (push.rows() == 0) return;
  ++pushes;
  for (const proto::Section& section : push.section()) {
    if (!section.dense()) updates += section.count();
  }
}

void PushHistory::Enter(const proto::Task& task) {
  retired_ = false;
  if (task.epoch() == epoch_ && task.round() == round_) return;
  epoch_ = task.epoch();
  round_ = task.round();
  parts_.clear();
}

void PushHistory::Pushed(const Work& work) {
  const proto::Task& task = *work.task;
  Enter(task);
  next_clock_ = work.clock + 1;
  const std::uint32_t first = task.first_minibatch();
  const bool goes_on = !parts_.empty() && parts_.back().chunk == work.minibatch.chunk && parts_.back().first == first;
  if (!goes_on) parts_.push_back({.chunk = work.minibatch.chunk, .first = first});
  parts_.back().end = work.minibatch.index + 1;
}

void PushHistory::Retired(const Work& work) {
  Enter(*work.task);
  next_clock_ = work.clock;
  retired_ = true;
}

proto::Restart PushHistory::RestartOf(std::uint32_t shard, const std::vector<proto::Header>& unanswered,
                                      proto::Header* header) const {
  proto::Restart restart;
  std::uint64_t clock = next_clock_;
  bool retired = retired_;
  Count missing;
  std::set<std::pair<std::uint64_t, std::uint32_t>> minibatches;  // by chunk
  for (const proto::Header& request : unanswered) {
    if (request.kind() == proto::RETIRE) retired = false;
    if (request.kind() != proto::PUSH) continue;
    clock = std::min(clock, request.clock());
    missing.Add(request);
    minibatches.insert({request.chunk(), request.minibatch()});
  }
  const auto add = [&](const Part& part, std::uint32_t begin, std::uint32_t end) {
    if (begin == end) return;
    proto::ChunkRange* const range = restart.add_applied();
    range->set_chunk(part.chunk);
    range->set_first_minibatch(begin);
    range->set_end_minibatch(end);
  };
  for (const Part& part : parts_) {
    std::uint32_t begin = part.first;
    for (auto each = minibatches.lower_bound({part.chunk, begin});
         each != minibatches.end() && each->first == part.chunk && each->second < part.end; ++each) {
      add(part, begin, each->second);
      begin = each->second + 1;
    }
    add(part, begin, part.end);
  }
  restart.set_round(round_);
  restart.set_retired(retired);
  restart.mutable_taken()->set_pushes(sent_.at(shard).pushes - missing.pushes);
  restart.mutable_taken()->set_updates(sent_.at(shard).updates - missing.updates);
  header->set_epoch(epoch_);
  header->set_clock(clock);
  return restart;
}

}  // namespace sherd
