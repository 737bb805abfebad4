#include "worker/private_gradients.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sherd {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kDenseLane = 0x64656e7365;

template <typename T>
std::span<const T> PartOf(std::span<const T> values, std::size_t first, std::size_t count) {
  return values.empty() ? values : values.subspan(first, count);
}

double SquaredNorm(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += double{v} * v;
  return sum;
}

}  // namespace

void PrivateGradients::TakeTable(const TableBatch<float>& table, std::uint32_t rows, std::uint32_t r,
                                 std::uint32_t floats, OneRow* row) {
  row->place.resize(table.values.size(), kNone);
  for (const std::uint32_t unique : row->rows) {
    if (unique < row->place.size()) row->place[unique] = kNone;
  }
  row->rows.clear();
  row->unique.clear();
  row->offset.clear();
  const bool lists = !table.offset.empty();
  const std::size_t fields = lists ? (table.offset.size() - 1) / rows : table.unique.size() / rows;
  const std::size_t begin = lists ? table.offset[r * fields] : r * fields;
  const std::size_t end = lists ? table.offset[(r + 1) * fields] : (r + 1) * fields;
  for (std::size_t field = 0; lists && field <= fields; ++field) {
    row->offset.push_back(static_cast<std::uint32_t>(table.offset[r * fields + field] - begin));
  }
  for (std::size_t i = begin; i < end; ++i) {
    std::uint32_t& place = row->place[table.unique[i]];
    if (place == kNone) {
      place = static_cast<std::uint32_t>(row->rows.size());
      row->rows.push_back(table.unique[i]);
    }
    row->unique.push_back(place);
  }
  row->memory.Resize(row->rows.size() * floats);
  row->values.clear();
  row->gradients.clear();
  for (std::size_t i = 0; i < row->rows.size(); ++i) {
    row->values.push_back(table.values[row->rows[i]]);
    row->gradients.push_back(row->memory.data() + i * floats);
  }
  one_.tables.push_back({.unique = row->unique,
                         .offset = row->offset,
                         .weight = PartOf(table.weight, begin, end - begin),
                         .values = row->values,
                         .gradients = row->gradients});
}

void PrivateGradients::Take(const Batch<float>& batch, std::uint32_t r, std::span<const Keys> keys) {
  const std::size_t numbers = batch.numbers.size() / batch.rows;
  one_.rows = 1;
  one_.labels = batch.labels.subspan(r, 1);
  one_.weights = PartOf(batch.weights, r, 1);
  one_.numbers = PartOf(batch.numbers, r * numbers, numbers);
  one_.row_ids = PartOf(batch.row_ids, r, 1);
  one_.epoch = batch.epoch;
  one_.tables.clear();
  tables_.resize(batch.tables.size());
  for (std::size_t t = 0; t < batch.tables.size(); ++t) {
    TakeTable(batch.tables[t], batch.rows, r, keys[t].row_floats, &tables_[t]);
  }
}

float PrivateGradients::Scale(std::span<const Keys> keys, std::span<const float> dense) const {
  double squares = SquaredNorm(dense);
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    for (const float* row : tables_[t].gradients) squares += SquaredNorm({row, keys[t].row_floats});
  }
  const double norm = std::sqrt(squares);
  return norm <= dp_.clip_norm() ? 1 : static_cast<float>(dp_.clip_norm() / norm);
}

void PrivateGradients::Add(const Batch<float>& batch, std::span<const Keys> keys, std::span<const float> dense) {
  const float scale = Scale(keys, dense);
  for (std::size_t i = 0; i < dense.size(); ++i) dense_[i] += scale * dense[i];
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    for (std::size_t i = 0; i < tables_[t].rows.size(); ++i) {
      float* const sum = batch.tables[t].gradients[tables_[t].rows[i]];
      for (std::uint32_t c = 0; c < keys[t].row_floats; ++c) sum[c] += scale * tables_[t].gradients[i][c];
    }
  }
}

// Two normal numbers from two uniform ones (Box and Muller 1958).
void PrivateGradients::AddNoise(std::uint64_t name, std::span<float> values) const {
  const double deviation = dp_.noise_multiplier() * dp_.clip_norm();
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const double length =
        deviation * std::sqrt(-2 * std::log(1 - UnitDouble(Mix(seed_, name, i))));  // of (0, 1]: never infinite
    const double angle = 2 * M_PI * UnitDouble(Mix(seed_, name, i + 1));
    values[i] += static_cast<float>(length * std::cos(angle));
    if (i + 1 < values.size()) values[i + 1] += static_cast<float>(length * std::sin(angle));
  }
}

void PrivateGradients::Sum(const Batch<float>& batch, std::span<const Keys> keys, std::uint64_t name,
                           Model<float>* model) {
  const std::span<float> dense = model->gradients();
  // What lies between tensors is nobody's, and would count in a row's norm with the noise of the batch before.
  std::ranges::fill(dense, 0.0f);
  dense_.assign(dense.size(), 0.0f);
  for (std::size_t t = 0; t < batch.tables.size(); ++t) {
    for (float* row : batch.tables[t].gradients) std::fill_n(row, keys[t].row_floats, 0.0f);
  }
  for (std::uint32_t r = 0; r < batch.rows; ++r) {
    Take(batch, r, keys);
    model->Forward(one_, Model<float>::Mode::kTrain);
    model->Loss(one_);
    model->Backward(one_);
    Add(batch, keys, dense);
  }
  std::copy(dense_.begin(), dense_.end(), dense.begin());
  AddNoise(Mix(name, kDenseLane), dense);
  for (std::size_t t = 0; t < batch.tables.size(); ++t) {
    for (std::size_t u = 0; u < keys[t].unique.size(); ++u) {
      AddNoise(Mix(name, t, keys[t].unique[u]), {batch.tables[t].gradients[u], keys[t].row_floats});
    }
  }
}

}  // namespace sherd
