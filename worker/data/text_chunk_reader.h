#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "worker/data/bad_row_log.h"
#include "worker/data/dataset.h"
#include "worker/data/row_decoder.h"
#include "worker/data/row_stream.h"

namespace sherd {

// The hash that names a row of a set.
constexpr std::uint64_t RowId(std::uint32_t file, std::uint64_t offset) { return Mix(file, offset); }
// Does data.eval_fraction take a training row out for evaluation?
constexpr bool IsEvalRow(std::uint64_t row_id, double fraction) {
  constexpr std::uint64_t kLane = 0x6576616c;  // keeps the choice apart from other uses of a row's hash
  return UnitDouble(Mix(row_id, kLane)) < fraction;
}

// Parses and encodes the rows of a chunk. It looks one good row ahead, so that a minibatch knows whether it is the
// last. Since nobody hears of bad rows before the minibatch that they stand before is filled, a long run of them is
// BadData, but not to predict.
class TextChunkReader : public ChunkReader {
 public:
  struct Options {
    proto::Chunk chunk;
    std::uint32_t epoch = 0;
    std::uint32_t first_minibatch = 0;
    std::uint32_t batch_size = 0;
    double negative_rate = 1;  // rows with label 0 that stay
    double max_bad_fraction = 1;
    bool predict = false;
  };

  // `file` and `log` must stay.
  TextChunkReader(Options options, const TextFile* file, BadRowLog* log, std::unique_ptr<RowStream> stream,
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

  const Options options_;
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
