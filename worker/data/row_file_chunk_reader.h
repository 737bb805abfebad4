#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "worker/data/bad_row_log.h"
#include "worker/data/column_encoder.h"
#include "worker/data/dataset.h"
#include "worker/data/epoch_order.h"
#include "worker/data/row_file.h"
#include "worker/data/row_sets.h"

namespace sherd {

// Blocks of a file that follow one another, in memory.
struct RowWindow {
  std::vector<std::unique_ptr<BlockFeatures>> blocks;
  std::uint64_t first_row = 0;              // of the first block, in the file
  std::vector<std::uint32_t> begins = {0};  // by block its first row in the window; then their number

  std::uint32_t rows() const { return begins.back(); }
};

// The windows that nobody uses, for who needs one: their memory is used again. Thread-safe.
class RowWindows {
 public:
  RowWindows();
  // Back here when the last owner is gone.
  std::shared_ptr<RowWindow> Take();

 private:
  struct Spare;
  const std::shared_ptr<Spare> spare_;
};

// Reads blocks [first, end) of a file into a window and computes their features.
Status FillWindow(const RowFile& file, RowFileReader* reader, const ColumnEncoder& encoder, std::uint32_t first,
                  std::uint32_t end, RowWindow* window);

// Picks the rows of a chunk, deals them to minibatches and fills these. Which rows those are is known before anything
// else is decoded, so that minibatches can be skipped for nothing.
class RowFileChunkReader : public ChunkReader {
 public:
  struct Options : ChunkReading {
    std::function<bool(std::uint64_t row)> keep = nullptr;  // null: all rows
    std::optional<std::uint64_t> deal_seed = std::nullopt;  // none: rows in their order
  };

  // `file` and `log` must stay. order: the chunk's rows, of a window that is the whole file; null: those of the window.
  RowFileChunkReader(Options options, const RowFile* file, BadRowLog* log, std::shared_ptr<const RowWindow> window,
                     EpochOrder::Rows order, ColumnEncoder encoder);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  Status Start();
  void ListRows();
  Status DropUnusable();
  void NoteBad(std::uint32_t row);
  void Deal();
  void Pick(std::span<const std::uint32_t> rows);
  PickedRow PlaceOf(std::uint32_t row) const;

  const Options options_;
  const RowFile* const file_;
  BadRowLog* const log_;
  const std::shared_ptr<const RowWindow> window_;
  const EpochOrder::Rows given_;
  ColumnEncoder encoder_;
  std::vector<const BlockFeatures*> blocks_;

  bool started_ = false;
  std::vector<std::uint32_t> rows_;  // of the window, in the order of their use
  std::uint64_t dropped_ = 0;        // rows of the chunk that are not among them
  std::uint64_t minibatch_rows_ = 0;
  std::uint32_t minibatches_ = 0;  // given or skipped
  std::vector<PickedRow> picked_;
};

}  // namespace sherd
