#include "ps/clock_barrier.h"

#include <algorithm>
#include <utility>

namespace sherd {

void ClockBarrier::Add(std::uint32_t worker, const Message& push) {
  std::deque<Message>& queue = waiting_[worker];
  if (parts_of_pushes_ == Parts::kAll) return queue.push_back(push);
  Message& dense = queue.emplace_back();
  dense.header = push.header;
  dense.header.clear_section();
  const int sections = push.header.section_size();
  if (sections == 0 || !push.header.section(sections - 1).dense()) return;
  *dense.header.add_section() = push.header.section(sections - 1);
  dense.frames.push_back(push.frames.back());
}

bool ClockBarrier::ApplyClock(const ClockTable& clocks) {
  std::uint64_t clock = ClockTable::kRetired;
  for (const auto& [worker, queue] : waiting_) {
    if (!queue.empty()) clock = std::min(clock, queue.front().header.clock());
  }
  const auto has_part = [&](const std::deque<Message>& queue) {
    return !queue.empty() && queue.front().header.clock() == clock;
  };
  // Who is past the clock without a part here had one on the shard that was lost.
  const bool complete = clocks.AllUnretired([&](std::uint32_t worker) {
    const auto found = waiting_.find(worker);
    return (found != waiting_.end() && has_part(found->second)) || clocks.at(worker) > clock;
  });
  if (!complete) return false;
  // A worker that has retired may still have a part in this clock.
  std::vector<const Message*> pushes;
  for (const auto& [worker, queue] : waiting_) {
    if (has_part(queue)) pushes.push_back(&queue.front());
  }
  if (pushes.empty() || !Apply(pushes)) return false;
  for (auto& [worker, queue] : waiting_) {
    if (has_part(queue)) queue.pop_front();
  }
  return true;
}

bool ClockBarrier::Apply(const std::vector<const Message*>& pushes) {
  std::uint64_t rows = 0;
  PushStep step;
  views_.resize(pushes.size());
  for (std::size_t i = 0; i < pushes.size(); ++i) {
    const proto::Header& header = pushes[i]->header;
    rows += header.rows();
    if (header.rows() > 0 && header.has_learning_rate_scale()) step.rate_scale = header.learning_rate_scale();
    step.clock = std::max<std::uint64_t>(step.clock, header.clock());
    job_seconds_ = std::max(job_seconds_, header.job_seconds());
    checker_.ViewAgain(*pushes[i], &views_[i]);
    checker_.DecodeGradients(&views_[i]);
  }
  step.divisor = static_cast<float>(rows);
  step.seconds = job_seconds_;
  step.noise = Mix(step.clock, 1);
  if (parts_of_pushes_ == Parts::kAll && !ApplyRows(step)) return false;
  if (rows > 0) ApplyDense(step.divisor, step.rate_scale);
  return true;
}

// All of them, or none if there is no room.
bool ClockBarrier::ApplyRows(const PushStep& step) {
  const Status status = Prepare();
  trouble_ = status.ok() ? "" : status.text();
  if (!status.ok()) return false;
  store_->Advance(step.clock, step.seconds);
  for (std::uint32_t table = 0; table < store_->tables(); ++table) ApplyTable(table, step);
  return true;
}

Status ClockBarrier::Prepare() {
  for (std::uint32_t table = 0; table < store_->tables(); ++table) RETURN_IF_ERROR(PrepareTable(table));
  return {};
}

// All workers' keys at once: room made for one part could be that of rows which another has just brought from disk.
Status ClockBarrier::PrepareTable(std::uint32_t table) {
  keys_.clear();
  for (const RequestView& view : views_) {
    for (const SectionView& section : view.sections) {
      if (!section.dense && section.table == table) {
        keys_.insert(keys_.end(), section.keys.begin(), section.keys.end());
      }
    }
  }
  if (keys_.empty()) return {};
  EmbeddingTable& target = store_->table(table);
  if (target.layout().storage().at_budget() == proto::RowStorage::SPILL) {  // a row is brought back once
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  }
  return target.Prepare(keys_);
}

void ClockBarrier::ApplyTable(std::uint32_t table, const PushStep& step) {
  parts_.clear();
  for (const RequestView& view : views_) {
    for (const SectionView& section : view.sections) {
      if (!section.dense && section.table == table) parts_.push_back(&section);
    }
  }
  if (parts_.empty()) return;
  EmbeddingTable& target = store_->table(table);
  if (parts_.size() == 1) return target.PushPrepared(parts_[0]->keys, parts_[0]->gradients.data(), step);
  std::size_t most = 0;
  for (const SectionView* part : parts_) most += part->keys.size();
  sum_.Start(most, target.layout().weight_floats());
  for (const SectionView* part : parts_) sum_.Add(part->keys, part->gradients.data());
  target.PushPrepared(sum_.keys(), sum_.sums(), step);
}

void ClockBarrier::ApplyDense(float rows, float rate_scale) {
  parts_.clear();
  for (const RequestView& view : views_) {
    for (const SectionView& section : view.sections) {
      if (section.dense) parts_.push_back(&section);
    }
  }
  if (parts_.empty()) return;
  if (parts_.size() == 1) return store_->dense().Push(parts_[0]->gradients.data(), rows, rate_scale);
  sum_.StartDense(parts_[0]->gradients);
  for (std::size_t i = 1; i < parts_.size(); ++i) sum_.AddDense(parts_[i]->gradients);
  store_->dense().Push(sum_.sums(), rows, rate_scale);
}

}  // namespace sherd
