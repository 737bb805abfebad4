#include "tests/ps/table_model.h"

#include <algorithm>
#include <cmath>

namespace sherd {

using proto::RowStorage;

RowLayout TableModel::LayoutOf(std::uint32_t dim, const RowStorage& storage) {
  proto::TableSpec spec;
  spec.set_name("t");
  spec.add_segment()->set_dim(1);
  spec.mutable_segment(0)->mutable_optimizer()->mutable_sgd()->set_learning_rate(1);
  spec.add_segment()->set_dim(dim);
  *spec.mutable_storage() = storage;
  return RowLayout::Make(spec).value();
}

std::vector<float> TableModel::Weights(Key key) const {
  std::vector<float> weights(layout_.weight_floats());
  const auto found = rows.find(key);
  if (found == rows.end()) layout_.InitWeights(RowStream(kStream, key), weights.data());
  if (found != rows.end()) std::copy_n(found->second.floats.begin(), weights.size(), weights.begin());
  return weights;
}

void TableModel::Push(Key key, const float* sums) {
  if (std::any_of(sums, sums + dim_ + 1, [](float sum) { return !std::isfinite(sum * sum); })) return;
  if (!rows.contains(key)) {
    if (candidates[key] + 1 < storage().admit_after()) {
      ++candidates[key];
      return;
    }
    candidates.erase(key);
    Row& row = rows[key];
    row.floats.resize(layout_.row_floats());
    layout_.InitWeights(RowStream(kStream, key), row.floats.data());
  }
  Row& row = rows[key];
  row.floats[0] -= sums[0];
  for (std::size_t i = 1; i <= dim_; ++i) {
    float& sum = row.floats[dim_ + i];
    sum += sums[i] * sums[i];
    row.floats[i] -= 0.02f * sums[i] / (std::sqrt(sum) + 1e-10f);
  }
  row.clock = clock_;
  row.second = second_;
  ++row.count;
}

void TableModel::Restore(Key key, const Row& row) {
  candidates.erase(key);
  rows[key] = row;
}

void TableModel::KeepLimits(const std::set<Slot>& touched) {
  std::uint64_t most = storage().max_rows();
  if (storage().max_bytes() > 0) {
    const std::uint64_t fit = storage().max_bytes() / (layout_.row_bytes() + 17);  // a row, and its part of the index
    most = most == 0 ? fit : std::min(most, fit);
  }
  if (most == 0 && storage().max_bytes() == 0) return;
  const std::size_t limit = std::max<std::uint64_t>(1, most / kSlots);
  for (const Slot slot : touched) {
    std::vector<std::pair<std::uint32_t, Key>> order;
    const bool frequent = storage().use() == RowStorage::FREQUENT;
    for (const auto& [key, row] : rows) {
      if (SlotOf(key) == slot) order.emplace_back(frequent ? row.count : row.clock, key);
    }
    if (order.size() <= limit) continue;
    std::sort(order.begin(), order.end());
    for (const auto& [score, key] : order) rows[key].count /= 2;
    order.resize(order.size() - (limit - limit / 16));
    for (const auto& [score, key] : order) rows.erase(key);
  }
}

bool TableModel::Expired(const Row& row) const {
  const std::uint64_t clocks = storage().max_age_clocks(), seconds = storage().max_age_seconds();
  return (clocks > 0 && clock_ > row.clock + clocks) || (seconds > 0 && second_ > row.second + seconds);
}

// Each slot once in an eighth of an age.
void TableModel::Advance(std::uint32_t clock, std::uint32_t second) {
  clock_ = std::max(clock_, clock);
  second_ = std::max(second_, second);
  const auto sweep = [&](std::uint64_t age, std::uint32_t now, std::optional<std::uint32_t>* swept) {
    if (age == 0) return;
    const std::uint64_t period = std::clamp<std::uint64_t>(age / 8, 1, kSlots);
    std::set<std::uint64_t> due;
    const std::uint32_t since = swept->value_or(now == 0 ? 0 : now - 1);
    for (std::uint32_t tick = now; tick > since && due.size() < period; --tick) due.insert(tick % period);
    std::erase_if(
        rows, [&](const auto& entry) { return due.contains(SlotOf(entry.first) % period) && Expired(entry.second); });
    *swept = now;
  };
  sweep(storage().max_age_clocks(), clock_, &swept_clock_);
  sweep(storage().max_age_seconds(), second_, &swept_second_);
}

}  // namespace sherd
