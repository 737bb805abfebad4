#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/neighbourhood.h"

namespace sherd {

// The rows of one table that a minibatch looks up, as views of memory that the pipeline owns. An occurrence is one key
// of one field of one row of the minibatch; it refers to a unique row that was pulled once.
template <typename T>
struct TableBatch {
  std::span<const std::uint32_t> unique;  // [occurrences], row-major over (row, field): which unique row it is
  // CSR: the occurrences of (row, field) are [offset[row * fields + field], offset[row * fields + field + 1]). Empty:
  // each (row, field) has exactly one.
  std::span<const std::uint32_t> offset;
  std::span<const float> weight;     // [occurrences]; empty: all 1
  std::span<const T* const> values;  // [unique rows], each of the table's floats in all segments
  std::span<T* const> gradients;     // [unique rows]; Backward writes the sum over the minibatch's rows, all segments
};

// What a model sees of a minibatch. Labels and weights are empty when only predictions are wanted. They are [rows], or
// where a row has a list of targets, one for each of them.
template <typename T>
struct Batch {
  std::uint32_t rows = 0;
  std::span<const float> labels;   // [rows], or [targets]
  std::span<const float> weights;  // the same; empty: all 1
  std::span<const float> numbers;  // [rows, numbers], row-major
  // Rows [i * group_rows, (i + 1) * group_rows) are a positive and its negatives, for losses that compare them. 1: each
  // row stands alone.
  std::uint32_t group_rows = 1;
  std::span<const std::uint64_t>
      row_ids;  // [rows]: names of the rows in the data, for masks that must not depend on the run
  // For losses that compare the minibatch's items: each row's, or target's, item by a name, and the logarithm of its
  // share of the training rows.
  std::span<const std::uint64_t> items = {};  // [rows], [targets] or empty
  std::span<const float> log_shares = {};     // the same
  std::uint64_t epoch = 0;
  // For models that propagate over the graph of users and items. Its nodes are then the occurrences of the tables, one
  // each, in place of the rows' own.
  const Neighbourhood* neighbourhood = nullptr;
  std::vector<TableBatch<T>> tables;  // by table id
};

}  // namespace sherd
