#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"

namespace sherd {

// The keys of one table in a minibatch, as they were read: not unique, row-major over (row, field).
struct TableKeys {
  std::vector<Key> keys;               // [occurrences]
  std::vector<std::uint32_t> offsets;  // CSR over (row, field), rows * fields + 1; empty: exactly one key each
  std::vector<float> weights;          // [occurrences]; empty: all 1. MEAN pooling stands in it as 1 / count
};

// Rows that are computed on together: a pure function of (seed, epoch, chunk, index). Cleared and filled again by its
// reader, so its vectors stop growing. Thread-compatible.
struct Minibatch {
  std::uint32_t epoch = 0;
  std::uint64_t chunk = 0;
  std::uint32_t index = 0;  // within the chunk
  bool last_of_chunk = false;
  std::uint32_t rows = 0;
  std::vector<float> labels;                // [rows]; of bags one a target, as weights and groups are
  std::vector<float> weights;               // [rows] or empty
  std::vector<float> numbers;               // [rows, numbers]
  std::vector<std::uint64_t> row_ids;       // [rows]
  std::vector<std::uint64_t> groups;        // [rows] or empty: evaluation.group_by
  std::vector<std::uint32_t> list_offsets;  // candidate lists: list i is rows [list_offsets[i], list_offsets[i+1]), its
                                            // first row the true item; empty: no lists
  std::vector<std::uint64_t> candidates;    // [rows] with lists: a name of each row's item, to find repetitions
  std::vector<TableKeys> tables;            // by table id
  std::vector<std::uint32_t>
      source_rows;                     // [rows], predict only: which input row of the chunk it is; bad rows are absent
  std::uint32_t source_rows_read = 0;  // predict only: input rows of the chunk up to the end of this minibatch
  // Where the rows come from, for messages: file and the smallest and largest line (in memory) or byte offset
  // (streamed).
  std::uint32_t file = 0;
  std::uint64_t first_source = 0, last_source = 0;

  // What is predicted, and counts as a row of the input: the rows, or the targets of all rows' bags.
  std::uint32_t examples() const { return labels.empty() ? rows : static_cast<std::uint32_t>(labels.size()); }
  // No rows; the vectors keep their memory. What stands under numbers and tables is the encoder's to begin anew.
  void ClearRows();
};

}  // namespace sherd
