#include "worker/data/row_stream.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "worker/data/shuffle.h"

namespace sherd {
namespace {

// Rows are given a few at a time, and those so far behind them are prefetched meanwhile: what is fetched from memory
// then comes as fast as rows are decoded, not in bursts that both wait for.
constexpr std::size_t kRowsAtOnce = 2;
constexpr std::size_t kRowsAhead = 16;

// Every cache line of a text of usual length. Inlined always, like TextFile::Prefetch.
[[gnu::always_inline]] inline void PrefetchText(const char* text, std::size_t size) {
  constexpr std::size_t kLine = 64, kMost = 512;
  const char* const end = text + std::min(size, kMost);
  for (const char* line = text; line < end; line += kLine) __builtin_prefetch(line);
  __builtin_prefetch(end - 1);  // texts begin anywhere in their first line
}

}  // namespace

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

BlockPool::Block BlockPool::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      Block block = std::move(spare_.back());
      spare_.pop_back();
      return block;
    }
  }
  constexpr std::size_t kHugePage = 2 << 20;  // rows are read in random order
  Block block(static_cast<char*>(std::aligned_alloc(kHugePage, (bytes_ + kHugePage - 1) / kHugePage * kHugePage)),
              std::free);
  CHECK(block != nullptr) << "out of memory";
  (void)madvise(block.get(), bytes_, MADV_HUGEPAGE);
  return block;
}

void BlockPool::GiveBack(Block block) {
  std::lock_guard lock(mutex_);
  spare_.push_back(std::move(block));
}

StreamedRows::StreamedRows(const TextFile* file, std::unique_ptr<LineReader> lines, BlockPool* pool, Options options)
    : file_(file), pool_(pool), block_(pool->Take()), lines_(std::move(lines)), options_(std::move(options)) {
  lines_->KeepLines({block_.get(), pool_->bytes()});
}

Status StreamedRows::FillBlock() {
  const std::uint64_t begin = lines_->next_offset();
  const std::uint64_t room = pool_->bytes() - LineReader::kLineRoom;
  lines_->Release();
  pieces_.clear();
  at_ = 0;
  while (pieces_.size() < options_.block_rows && lines_->next_offset() - begin < room) {
    Line line;
    ASSIGN_OR_RETURN(const bool more, lines_->Next(&line));
    done_ = !more || line.offset >= options_.end;
    if (done_) break;
    if (!file_->IsRow(line) || (options_.keep && !options_.keep(line.offset))) continue;
    const std::ptrdiff_t place = line.text.empty() ? 0 : line.text.data() - block_.get();
    pieces_.push_back({line.offset, static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(line.text.size())});
  }
  done_ = done_ || lines_->next_offset() >= options_.end;
  if (options_.shuffle_seed) Shuffle(Mix(*options_.shuffle_seed, blocks_), std::span(pieces_));
  ++blocks_;
  return {};
}

Result<std::span<const RowText>> StreamedRows::Next() {
  rows_.clear();
  while (at_ == pieces_.size() && !done_) RETURN_IF_ERROR(FillBlock());
  const std::size_t stop = std::min(pieces_.size(), at_ + kRowsAtOnce);
  for (std::size_t i = at_ + kRowsAhead; i < std::min(pieces_.size(), stop + kRowsAhead); ++i) {
    PrefetchText(TextOf(pieces_[i]), pieces_[i].size);
  }
  for (; at_ < stop; ++at_) {
    const Piece& piece = pieces_[at_];
    rows_.push_back({{TextOf(piece), piece.size}, piece.offset});
  }
  return std::span<const RowText>(rows_);
}

}  // namespace sherd
