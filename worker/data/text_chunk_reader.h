#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "worker/data/bad_row_log.h"
#include "worker/data/dataset.h"
#include "worker/data/row_decoder.h"
#include "worker/data/row_sets.h"
#include "worker/data/row_stream.h"

namespace sherd {

// Parses and encodes the rows of a chunk. It looks one good row ahead, so that a minibatch knows whether it is the
// last. Since nobody hears of bad rows before the minibatch that they stand before is filled, a long run of them is
// BadData, but not to predict.
class TextChunkReader : public ChunkReader {
 public:
  // `file` and `log` must stay.
  TextChunkReader(ChunkReading options, const TextFile* file, BadRowLog* log, std::unique_ptr<RowStream> stream,
                  std::unique_ptr<RowDecoder> decoder);
  Result<bool> Next(Minibatch* minibatch) override;

 private:
  Status Start();
  Status Advance();
  bool Accept(const RowText& text);
  void NoteBad(const RowText& text);
  bool BadRunIsTooLong() const;
  Status BadRunError();
  void Begin(Minibatch* minibatch);
  void Add(Minibatch* minibatch);
  void End(Minibatch* minibatch);

  const ChunkReading options_;
  const TextFile* const file_;
  BadRowLog* const log_;
  const std::unique_ptr<RowStream> stream_;
  const std::unique_ptr<RowDecoder> decoder_;

  std::span<const RowText> texts_;  // what the stream gave last
  std::size_t at_ = 0;              // of the next one
  std::uint32_t read_ = 0;          // rows of the chunk taken from the stream
  std::uint64_t uncounted_ = 0;     // rows that the log does not know yet
  bool started_ = false;
  bool have_row_ = false;     // the decoder has the next good row
  std::uint64_t offset_ = 0;  // its place
  RowError error_;
  std::uint64_t bad_run_ = 0;     // bad rows since the last good one
  RowError run_error_;            // of the first of them
  std::uint64_t run_offset_ = 0;  // its place
  std::uint64_t minibatch_rows_ = 0;
  std::uint32_t minibatches_ = 0;  // given or skipped
};

}  // namespace sherd
