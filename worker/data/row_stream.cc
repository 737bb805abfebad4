#include "worker/data/row_stream.h"

#include <algorithm>

#include "worker/data/shuffle.h"

namespace sherd {

// Far enough ahead of their use that the first cache lines of shuffled rows have come from memory.
Result<std::span<const RowText>> MemoryRows::Next() {
  constexpr std::uint64_t kRows = 64;
  rows_.clear();
  for (std::uint64_t i = at_ + kRows; i < std::min(end_, at_ + 2 * kRows); ++i) file_->Prefetch((*order_)[i]);
  for (const std::uint64_t stop = std::min(end_, at_ + kRows); at_ < stop; ++at_) {
    const RowText& row = rows_.emplace_back(file_->row((*order_)[at_]));
    for (std::size_t i = 0; i < row.text.size() && i < 256; i += 64) __builtin_prefetch(row.text.data() + i);
  }
  return std::span<const RowText>(rows_);
}

Status StreamedRows::FillBlock() {
  bytes_.clear();
  pieces_.clear();
  while (pieces_.size() < options_.block_rows && bytes_.size() < options_.block_bytes) {
    Line line;
    ASSIGN_OR_RETURN(const bool more, lines_->Next(&line));
    done_ = !more || line.offset >= options_.end;
    if (done_) break;
    if (!file_->IsRow(line) || (options_.keep && !options_.keep(line.offset))) continue;
    pieces_.push_back({bytes_.size(), line.text.size(), line.offset});
    bytes_ += line.text;
  }
  return {};
}

Result<std::span<const RowText>> StreamedRows::Next() {
  rows_.clear();
  if (done_) return std::span<const RowText>();
  RETURN_IF_ERROR(FillBlock());
  for (const Piece& piece : pieces_) rows_.push_back({{bytes_.data() + piece.begin, piece.size}, piece.offset});
  if (options_.shuffle_seed) Shuffle(Mix(*options_.shuffle_seed, blocks_), std::span(rows_));
  ++blocks_;
  return std::span<const RowText>(rows_);
}

}  // namespace sherd
