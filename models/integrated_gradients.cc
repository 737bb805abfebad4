#include "models/integrated_gradients.h"

#include <glog/logging.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sherd {
namespace {

// Of [0, 1].
constexpr double kOuter = 0.3872983346207417;  // sqrt(15) / 10
constexpr struct {
  double at, weight;
} kPoints[] = {{0.5 - kOuter, 5.0 / 18}, {0.5, 8.0 / 18}, {0.5 + kOuter, 5.0 / 18}};

}  // namespace

template <typename T>
void IntegratedGradients<T>::Take(const Batch<T>& batch, const proto::ModelSpec& spec) {
  batch_ = batch;
  tables_.resize(batch.tables.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const TableBatch<T>& in = batch.tables[t];
    Table& table = tables_[t];
    table.floats = 0;
    for (const proto::SegmentSpec& segment : spec.table(static_cast<int>(t)).segment()) table.floats += segment.dim();
    const std::size_t occurrences = in.unique.size();
    table.unique.resize(occurrences);
    std::iota(table.unique.begin(), table.unique.end(), 0u);
    table.offsets.assign(in.offset.begin(), in.offset.end());
    for (std::uint32_t k = 0; in.offset.empty() && k <= occurrences; ++k) table.offsets.push_back(k);
    table.values.Resize(occurrences * table.floats);
    table.gradients.Resize(occurrences * table.floats);
    table.from.clear();
    table.rows.clear();
    table.gradient_rows.clear();
    for (std::size_t k = 0; k < occurrences; ++k) {
      table.from.push_back(in.values[in.unique[k]]);
      table.rows.push_back(table.values.data() + k * table.floats);
      table.gradient_rows.push_back(table.gradients.data() + k * table.floats);
    }
    batch_.tables[t] = {.unique = table.unique,
                        .offset = in.offset,
                        .weight = in.weight,
                        .values = table.rows,
                        .gradients = table.gradient_rows};
  }
}

template <typename T>
std::span<const T> IntegratedGradients<T>::ScoresAt(T a, Model<T>* model) {
  for (Table& table : tables_) {
    T* to = table.values.data();
    for (const T* const from : table.from) {
      for (std::uint32_t c = 0; c < table.floats; ++c) *to++ = a * from[c];
    }
  }
  const std::span<const T> scores = model->Forward(batch_, Model<T>::Mode::kEvaluate);
  CHECK_EQ(scores.size(), batch_.rows) << "several scores a row";
  return scores;
}

template <typename T>
void IntegratedGradients<T>::AddShares(double weight) {
  for (Table& table : tables_) {
    for (std::size_t k = 0; k < table.from.size(); ++k) {
      double sum = 0;
      for (std::uint32_t c = 0; c < table.floats; ++c) sum += double{table.from[k][c]} * table.gradient_rows[k][c];
      table.shares[k] += weight * sum;
    }
  }
}

template <typename T>
void IntegratedGradients<T>::Integrate(std::uint32_t parts, Model<T>* model) {
  for (Table& table : tables_) table.shares.assign(table.from.size(), 0);
  for (std::uint32_t part = 0; part < parts; ++part) {
    for (const auto& [at, weight] : kPoints) {
      ScoresAt(static_cast<T>((part + at) / parts), model);
      model->BackwardOfScores(batch_);
      AddShares(weight / parts);
    }
  }
}

template <typename T>
bool IntegratedGradients<T>::AddUp() const {
  constexpr double kRounding = 1e-5;  // of the shares' sizes, which may cancel
  for (std::uint32_t r = 0; r < batch_.rows; ++r) {
    double sum = 0, size = 0;
    for (const Table& table : tables_) {
      const std::size_t fields = (table.offsets.size() - 1) / batch_.rows;
      for (std::uint32_t k = table.offsets[r * fields]; k < table.offsets[(r + 1) * fields]; ++k) {
        sum += table.shares[k];
        size += std::abs(table.shares[k]);
      }
    }
    const double expected = double{scores_[r]} - double{baselines_[r]};
    if (std::abs(sum - expected) > kTolerance * std::abs(expected) + kRounding * size) return false;
  }
  return true;
}

template <typename T>
void IntegratedGradients<T>::Explain(const Batch<T>& batch, Model<T>* model) {
  Take(batch, model->spec());
  const std::span<const T> baselines = ScoresAt(0, model);
  baselines_.assign(baselines.begin(), baselines.end());
  const std::span<const T> scores = ScoresAt(1, model);
  scores_.assign(scores.begin(), scores.end());
  for (std::uint32_t parts = 1; parts <= kMaxParts; parts *= 2) {
    Integrate(parts, model);
    if (AddUp()) return;
  }
}

template class IntegratedGradients<float>;
template class IntegratedGradients<double>;

}  // namespace sherd
