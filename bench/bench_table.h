#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/partition.h"
#include "bench/bench_case.h"
#include "bench/key_stream.h"
#include "ps/embedding_table.h"

namespace sherd::bench {

constexpr std::size_t kBatch = 65'536;  // keys of a pull or a push, unless the table is small
constexpr float kRate = 0.02f;          // of the tables' optimizer

// The table that a case asks for: one segment, row-wise Adagrad.
struct TableShape {
  std::uint32_t dim = 16;
  proto::RowStorage::Precision weights = proto::RowStorage::FP32;
  Slot first = 0, end = kSlots;
  std::string spill_dir = {};       // for a table that spills beyond the budget
  std::uint64_t memory_budget = 0;  // 0: none

  // A key and its row, without what the index and the memory's layout add.
  std::uint64_t least_row_bytes() const {
    return sizeof(Key) + dim * (weights == proto::RowStorage::FP32 ? 4u : 2u) + sizeof(float);
  }
};

// An embedding table as the cases use it: the one place that knows how tables are made. An error of a pull or a push is
// kept and ends the case by status(). Thread-compatible, move-only.
class BenchTable {
 public:
  static Result<BenchTable> Make(const TableShape& shape);

  void Pull(std::span<const Key> keys, float* values);
  void Push(std::span<const Key> keys, const float* sums);

  const TableShape& shape() const { return shape_; }
  const Status& status() const { return status_; }
  std::uint64_t rows() const { return table_->rows(); }
  std::uint64_t spilled_rows() const { return table_->spilled_rows(); }
  std::uint64_t bytes() const { return table_->bytes(); }

 private:
  BenchTable(TableShape shape, std::unique_ptr<EmbeddingTable> table)
      : shape_(std::move(shape)), table_(std::move(table)) {}

  TableShape shape_;
  std::unique_ptr<EmbeddingTable> table_;
  std::uint64_t pushes_ = 0;  // a push is a clock
  Status status_;
};

// Of a batch of keys, [kBatch, dim]: in (-0.5, 0.5), each row its own.
std::vector<float> Gradients(std::uint32_t dim);

// Pushes the keys of rows [begin, end), as far as their slots are the table's, kBatch at a time; row i with gradient
// i % kBatch. Returns the seconds of each push, without what it takes to name the keys.
std::vector<double> InsertRows(const std::vector<float>& gradients, std::uint64_t begin, std::uint64_t end,
                               BenchTable* table);

// Remembers first weights of some rows in [begin, end) before they are made, and looks whether each has moved by just
// the first step of its own gradient.
class FirstSteps {
 public:
  FirstSteps(std::uint64_t begin, std::uint64_t end, BenchTable* table);
  Status Check(const std::vector<float>& gradients, BenchTable* table) const;

 private:
  std::vector<std::uint64_t> rows_;
  std::vector<Key> keys_;
  std::vector<float> before_;
};

// A table with the first `rows` rows, which have been checked.
Result<BenchTable> MakeFilled(const TableShape& shape, std::uint64_t rows, const std::vector<float>& gradients);

// Fails unless a push of these keys moves each row against its own gradient, all its weights by the same rate.
Status CheckPush(const std::vector<Key>& keys, const std::vector<float>& gradients, BenchTable* table);

}  // namespace sherd::bench
