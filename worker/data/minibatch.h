#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/hash.h"
#include "models/metrics/list_variety.h"
#include "models/neighbourhood.h"

namespace sherd {

// The keys of one table in a minibatch, as they were read: not unique, row-major over (row, field).
struct TableKeys {
  std::vector<Key> keys;               // [occurrences]
  std::vector<std::uint32_t> offsets;  // CSR over (row, field), rows * fields + 1; empty: exactly one key each
  std::vector<float> weights;          // [occurrences]; empty: all 1. MEAN pooling stands in it as 1 / count
};

// What a minibatch is in a full ranking, where each of a chunk's users has all items scored, in as many minibatches as
// that takes. Items are numbered 0..catalogue-1.
struct RankingPart {
  enum class Kind {
    kNone,
    kItems,   // rows are the items from `first` on, for their vectors
    kUsers,   // rows are users, for their vectors; after all items
    kAlike,   // rows are items that all are compared with, by the cosine of their vectors; after all items
    kPairs,   // rows are a user's items from `first` on, then the next user's from 0 on, and so forth
    kListed,  // rows are the places of lists that are to be explained
  };
  Kind kind = Kind::kNone;
  std::uint32_t catalogue = 0, first = 0;
  // Of each user whose last row (kPairs) or only row (kUsers, kAlike) this minibatch has, in their order: items that
  // are left out of the ranking, and those that are to be found, ascending.
  std::vector<std::uint32_t> seen, seen_end, relevant, relevant_end;
  std::shared_ptr<const ItemPopularity> popularity;          // null: the lists are not judged
  std::shared_ptr<const std::vector<std::uint32_t>> barred;  // left out of all rankings, ascending; null: none

  void Begin(Kind kind, std::uint32_t catalogue, std::uint64_t first);
  std::span<const std::uint32_t> SeenBy(std::size_t user) const { return Part(seen, seen_end, user); }
  std::span<const std::uint32_t> RelevantTo(std::size_t user) const { return Part(relevant, relevant_end, user); }

 private:
  static std::span<const std::uint32_t> Part(const std::vector<std::uint32_t>& items,
                                             const std::vector<std::uint32_t>& end, std::size_t user) {
    return {items.data() + (user == 0 ? 0 : end[user - 1]), items.data() + end[user]};
  }
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
  std::vector<std::uint64_t> candidates;    // [rows] with lists, and where a loss compares the rows' items: a name of
                                            // each row's item, to find repetitions
  std::vector<float> log_shares;            // [rows] for such a loss: the logarithm of the item's share of training
  RankingPart ranking;
  Neighbourhood neighbourhood;  // for models that propagate over the graph: its nodes are then the tables' occurrences
  // Training by a loss that compares rows: a positive and its negatives are so many rows, one behind the other.
  std::uint32_t group_rows = 1;
  std::vector<TableKeys> tables;  // by table id
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
