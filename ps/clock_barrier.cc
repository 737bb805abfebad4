#include "ps/clock_barrier.h"

#include <algorithm>
#include <utility>

namespace sherd {

bool ClockBarrier::ApplyClock(const ClockTable& clocks) {
  const bool complete = clocks.AllUnretired([&](std::uint32_t worker) {
    const auto found = waiting_.find(worker);
    return found != waiting_.end() && !found->second.empty();
  });
  if (!complete) return false;
  // A worker that has retired may still have a part in this clock.
  std::vector<Message> pushes;
  for (auto& [worker, queue] : waiting_) {
    if (queue.empty()) continue;
    pushes.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  if (pushes.empty()) return false;
  Apply(pushes);
  return true;
}

void ClockBarrier::Apply(const std::vector<Message>& pushes) {
  std::uint64_t rows = 0;
  float rate_scale = 1;
  views_.resize(pushes.size());
  for (std::size_t i = 0; i < pushes.size(); ++i) {
    const proto::Header& header = pushes[i].header;
    rows += header.rows();
    job_seconds_ = std::max(job_seconds_, header.job_seconds());
    if (header.rows() > 0 && header.has_learning_rate_scale()) rate_scale = header.learning_rate_scale();
    checker_.ViewAgain(pushes[i], &views_[i]);
  }
  if (rows == 0) return;
  for (std::uint32_t table = 0; table < store_->tables(); ++table) {
    ApplyTable(table, static_cast<float>(rows), rate_scale);
  }
  ApplyDense(static_cast<float>(rows), rate_scale);
}

void ClockBarrier::ApplyTable(std::uint32_t table, float rows, float rate_scale) {
  parts_.clear();
  for (const RequestView& view : views_) {
    for (const SectionView& section : view) {
      if (!section.dense && section.table == table) parts_.push_back(&section);
    }
  }
  if (parts_.empty()) return;
  EmbeddingTable& target = store_->table(table);
  if (parts_.size() == 1) return target.Push(parts_[0]->keys, parts_[0]->gradients.data(), rows, rate_scale);
  std::size_t most = 0;
  for (const SectionView* part : parts_) most += part->keys.size();
  sum_.Start(most, target.layout().weight_floats());
  for (const SectionView* part : parts_) sum_.Add(part->keys, part->gradients.data());
  target.Push(sum_.keys(), sum_.sums(), rows, rate_scale);
}

void ClockBarrier::ApplyDense(float rows, float rate_scale) {
  parts_.clear();
  for (const RequestView& view : views_) {
    for (const SectionView& section : view) {
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
