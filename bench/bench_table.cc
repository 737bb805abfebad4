#include "bench/bench_table.h"

#include <algorithm>
#include <cmath>

namespace sherd::bench {
namespace {

constexpr std::uint64_t kSampled = 4096;

proto::TableSpec SpecOf(const TableShape& shape) {
  proto::TableSpec spec;
  spec.set_name("bench");
  proto::SegmentSpec* segment = spec.add_segment();
  segment->set_name("embedding");
  segment->set_dim(shape.dim);
  segment->mutable_optimizer()->mutable_rowwise_adagrad()->set_learning_rate(kRate);
  segment->mutable_initializer()->set_kind(proto::Initializer::NORMAL);
  spec.mutable_storage()->set_weights(shape.weights);
  if (!shape.spill_dir.empty()) spec.mutable_storage()->set_at_budget(proto::RowStorage::SPILL);
  return spec;
}

double SumOfSquares(const float* values, std::uint32_t n) {
  double sum = 0;
  for (std::uint32_t k = 0; k < n; ++k) sum += double{values[k]} * values[k];
  return sum;
}

}  // namespace

Result<BenchTable> BenchTable::Make(const TableShape& shape) {
  const proto::TableSpec spec = SpecOf(shape);
  ASSIGN_OR_RETURN(RowLayout layout, RowLayout::Make(spec));
  auto table = std::make_unique<EmbeddingTable>(std::move(layout), TableStream(1, spec.name()), shape.first, shape.end,
                                                shape.spill_dir);
  table->set_budget(shape.memory_budget);
  return BenchTable(shape, std::move(table));
}

void BenchTable::Pull(std::span<const Key> keys, float* values) {
  const Status status = table_->Pull(keys, values);
  if (!status.ok() && status_.ok()) status_ = status;
}

void BenchTable::Push(std::span<const Key> keys, const float* sums) {
  ++pushes_;
  const Status status = table_->Push(keys, sums, {.clock = pushes_, .noise = pushes_});
  if (!status.ok() && status_.ok()) status_ = status;
}

std::vector<float> Gradients(std::uint32_t dim) {
  std::vector<float> gradients(kBatch * dim);
  for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] = UnitFloat(Mix(i, 11)) - 0.5f;
  return gradients;
}

std::vector<double> InsertRows(const std::vector<float>& gradients, std::uint64_t begin, std::uint64_t end,
                               BenchTable* table) {
  const TableShape& shape = table->shape();
  const bool all = shape.first == 0 && shape.end == kSlots;
  std::vector<double> seconds;
  std::vector<Key> keys;
  std::vector<float> sums;
  for (std::uint64_t row = begin; row < end && table->status().ok();) {
    keys.clear();
    sums.clear();
    const std::uint64_t stop = std::min(end, (row / kBatch + 1) * kBatch);
    const float* first = gradients.data() + row % kBatch * shape.dim;
    for (; row < stop; ++row) {
      const Key key = KeyOf(row);
      if (SlotOf(key) < shape.first || SlotOf(key) >= shape.end) continue;
      keys.push_back(key);
      const auto gradient = gradients.begin() + static_cast<std::ptrdiff_t>(row % kBatch * shape.dim);
      if (!all) sums.insert(sums.end(), gradient, gradient + shape.dim);
    }
    seconds.push_back(Seconds([&] { table->Push(keys, all ? first : sums.data()); }));
  }
  return seconds;
}

FirstSteps::FirstSteps(std::uint64_t begin, std::uint64_t end, BenchTable* table) {
  const std::uint64_t sampled = std::min(kSampled, end - begin);
  for (std::uint64_t i = 0; i < sampled; ++i) {
    const std::uint64_t row = begin + i * (end - begin) / sampled;
    const Slot slot = SlotOf(KeyOf(row));
    if (slot < table->shape().first || slot >= table->shape().end) continue;
    rows_.push_back(row);
    keys_.push_back(KeyOf(row));
  }
  before_.resize(rows_.size() * table->shape().dim);
  table->Pull(keys_, before_.data());
}

Status FirstSteps::Check(const std::vector<float>& gradients, BenchTable* table) const {
  const std::uint32_t dim = table->shape().dim;
  // 16-bit weights are off by up to their last bit, twice.
  const double precision = table->shape().weights == proto::RowStorage::FP32 ? 1e-6 : 1.0 / 64;
  std::vector<float> after(before_.size());
  table->Pull(keys_, after.data());
  RETURN_IF_ERROR(table->status());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const float* gradient = gradients.data() + rows_[i] % kBatch * dim;
    const double step = kRate / std::sqrt(SumOfSquares(gradient, dim) / dim);
    for (std::size_t k = 0; k < dim; ++k) {
      const double expected = before_[i * dim + k] - step * gradient[k], got = after[i * dim + k];
      if (std::abs(got - expected) > precision * (std::abs(expected) + std::abs(before_[i * dim + k]) + 0.1)) {
        return Status::BadData("row " + std::to_string(rows_[i]) + ": weight " + std::to_string(k) + " is " +
                               std::to_string(got) + " after its first step, not " + std::to_string(expected));
      }
    }
  }
  return {};
}

Result<BenchTable> MakeFilled(const TableShape& shape, std::uint64_t rows, const std::vector<float>& gradients) {
  ASSIGN_OR_RETURN(BenchTable table, BenchTable::Make(shape));
  const FirstSteps steps(0, rows, &table);
  InsertRows(gradients, 0, rows, &table);
  RETURN_IF_ERROR(table.status());
  if (shape.first == 0 && shape.end == kSlots && table.rows() != rows) {
    return Status::BadData(std::to_string(rows) + " rows were pushed, " + std::to_string(table.rows()) + " are there");
  }
  RETURN_IF_ERROR(steps.Check(gradients, &table));
  return table;
}

Status CheckPush(const std::vector<Key>& keys, const std::vector<float>& gradients, BenchTable* table) {
  const std::uint32_t dim = table->shape().dim;
  const std::uint64_t rows = table->rows();
  std::vector<float> before(keys.size() * dim), after(before.size());
  table->Pull(keys, before.data());
  table->Push(keys, gradients.data());
  table->Pull(keys, after.data());
  RETURN_IF_ERROR(table->status());
  if (table->rows() != rows) return Status::BadData("pushes to known rows have made new ones");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const float* gradient = gradients.data() + i * dim;
    const double squares = SumOfSquares(gradient, dim);
    double along = 0;
    for (std::size_t k = 0; k < dim; ++k) along += (before[i * dim + k] - after[i * dim + k]) * double{gradient[k]};
    const double rate = along / squares;
    bool good = rate > 0 && rate < kRate / std::sqrt(squares / dim);
    for (std::size_t k = 0; k < dim; ++k) {
      good = good && std::abs(before[i * dim + k] - rate * gradient[k] - after[i * dim + k]) < 1e-5;
    }
    if (!good) return Status::BadData("a push did not move row " + std::to_string(i) + " against its gradient");
  }
  return {};
}

}  // namespace sherd::bench
