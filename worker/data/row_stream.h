#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "worker/data/epoch_order.h"
#include "worker/data/text_file.h"

namespace sherd {

// The rows of one chunk, in the order they are used. Confined to one thread.
class RowStream {
 public:
  virtual ~RowStream() = default;
  // Some rows more, valid until the next call; none at the end.
  virtual Result<std::span<const RowText>> Next() = 0;
  // Rows of the whole chunk, once Next was called; 0 when only reading on would tell.
  virtual std::uint64_t rows() const = 0;
};

// Rows order[begin..end) of a file in memory.
class MemoryRows : public RowStream {
 public:
  MemoryRows(const TextFile* file, EpochOrder::Rows order, std::uint64_t begin, std::uint64_t end)
      : file_(file), order_(std::move(order)), begin_(begin), at_(begin), end_(end) {}
  Result<std::span<const RowText>> Next() override;
  std::uint64_t rows() const override { return end_ - begin_; }

 private:
  const TextFile* const file_;
  const EpochOrder::Rows order_;
  const std::uint64_t begin_;
  std::uint64_t at_;
  const std::uint64_t end_;
  std::vector<RowText> rows_;
};

// The memory of blocks, handed on from one chunk to the next: fresh pages cost more than what is done with them.
// Thread-safe.
class BlockPool {
 public:
  using Block = std::unique_ptr<char, void (*)(void*)>;
  // All of one size.
  explicit BlockPool(std::size_t bytes) : bytes_(bytes) {}
  std::size_t bytes() const { return bytes_; }
  Block Take();
  void GiveBack(Block block);

 private:
  const std::size_t bytes_;
  std::mutex mutex_;
  std::vector<Block> spare_;
};

// Rows of a file that is read as it is used, block by block, each block shuffled in itself. What of it is in memory at
// a time is bounded by the block.
class StreamedRows : public RowStream {
 public:
  struct Options {
    std::uint64_t end = 0;  // rows that begin at this offset or later are not of the chunk
    std::uint64_t block_rows = 0;
    std::optional<std::uint64_t> shuffle_seed;       // none: file order
    std::function<bool(std::uint64_t offset)> keep;  // empty: all rows
  };
  // `lines` are those from the chunk's first one on. `file` and `pool` must stay.
  StreamedRows(const TextFile* file, std::unique_ptr<LineReader> lines, BlockPool* pool, Options options);
  ~StreamedRows() override { pool_->GiveBack(std::move(block_)); }
  Result<std::span<const RowText>> Next() override;
  std::uint64_t rows() const override { return done_ && blocks_ == 1 ? pieces_.size() : 0; }

 private:
  struct Piece {
    std::uint64_t offset;
    std::uint32_t begin, size;  // in the block
  };

  Status FillBlock();
  const char* TextOf(const Piece& piece) const { return block_.get() + piece.begin; }

  const TextFile* const file_;
  BlockPool* const pool_;
  BlockPool::Block block_;
  const std::unique_ptr<LineReader> lines_;
  const Options options_;
  std::uint64_t blocks_ = 0;
  bool done_ = false;
  std::vector<Piece> pieces_;  // the rows of the block
  std::size_t at_ = 0;         // of the next one
  std::vector<RowText> rows_;
};

}  // namespace sherd
