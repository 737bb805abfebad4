#include "worker/data/text_chunk_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/data/chunk_cutter.h"

namespace sherd {
namespace {
constexpr double kMaxBadRun = 100'000;  // bad rows in a row that say nothing about the file as a whole
}  // namespace

TextChunkReader::TextChunkReader(ChunkReading options, const TextFile* file, BadRowLog* log,
                                 std::unique_ptr<RowStream> stream, std::unique_ptr<RowDecoder> decoder)
    : options_(std::move(options)), file_(file), log_(log), stream_(std::move(stream)), decoder_(std::move(decoder)) {}

// Minibatches that are skipped were counted by whoever read them.
Status TextChunkReader::Start() {
  RETURN_IF_ERROR(Advance());
  const bool training = options_.chunk.set() == proto::Chunk::TRAIN && !options_.predict;
  minibatch_rows_ = training ? EvenRows(stream_->rows(), options_.batch_size) : options_.batch_size;
  for (; minibatches_ < options_.first_minibatch && have_row_; ++minibatches_) {
    for (std::uint64_t i = 0; i < minibatch_rows_ && have_row_; ++i) RETURN_IF_ERROR(Advance());
  }
  if (options_.first_minibatch > 0) uncounted_ = have_row_;
  started_ = true;
  return {};
}

Status TextChunkReader::Advance() {
  for (;;) {
    for (; at_ < texts_.size(); ++at_) {
      ++read_;
      ++uncounted_;
      if (!Accept(texts_[at_])) {
        if (BadRunIsTooLong()) return BadRunError();
        continue;
      }
      offset_ = texts_[at_++].offset;
      have_row_ = true;
      return {};
    }
    ASSIGN_OR_RETURN(texts_, stream_->Next());
    at_ = 0;
    have_row_ = false;
    if (texts_.empty()) return {};
  }
}

bool TextChunkReader::Accept(const RowText& text) {
  if (!decoder_->Parse(text.text, &error_)) {
    NoteBad(text);
    return false;
  }
  bad_run_ = 0;
  if (options_.negative_rate >= 1 || decoder_->label() != 0) return true;
  return IsSampled(RowId(options_.chunk.file(), text.offset), options_.negative_rate);
}

void TextChunkReader::NoteBad(const RowText& text) {
  const bool skipping = !started_ && minibatches_ < options_.first_minibatch;
  if (!skipping) log_->AddBad(error_, [&] { return file_->Place(text.offset); });
  if (++bad_run_ > 1) return;
  run_error_ = error_;
  run_offset_ = text.offset;
}

bool TextChunkReader::BadRunIsTooLong() const {
  const double allowed = std::max(kMaxBadRun, options_.max_bad_fraction * read_);
  return !options_.predict && static_cast<double>(bad_run_) > allowed;
}

Status TextChunkReader::BadRunError() {
  log_->CountRows(std::exchange(uncounted_, 0));
  const proto::BadRow first = DescribeBadRow(run_error_, file_->Place(run_offset_));
  return Status::BadData(std::to_string(bad_run_) +
                         " malformed rows one after another, more than data.max_bad_fraction allows; the first: " +
                         first.where() + ": " + first.reason());
}

Result<bool> TextChunkReader::Next(Minibatch* minibatch) {
  if (!started_) RETURN_IF_ERROR(Start());
  const bool only_bad = options_.predict && minibatches_ == 0 && read_ > 0;
  if (!have_row_ && !only_bad) {
    log_->CountRows(std::exchange(uncounted_, 0));
    return false;
  }
  Begin(minibatch);
  while (have_row_ && minibatch->rows < minibatch_rows_) {
    Add(minibatch);
    RETURN_IF_ERROR(Advance());
  }
  End(minibatch);
  return true;
}

void TextChunkReader::Begin(Minibatch* minibatch) {
  minibatch->epoch = options_.epoch;
  minibatch->chunk = options_.chunk.id();
  minibatch->index = minibatches_++;
  minibatch->file = options_.chunk.file();
  minibatch->ClearRows();
  minibatch->first_source = std::numeric_limits<std::uint64_t>::max();
  decoder_->Begin(options_.batch_size, minibatch);
}

void TextChunkReader::Add(Minibatch* minibatch) {
  decoder_->Add(minibatch);
  minibatch->row_ids.push_back(RowId(options_.chunk.file(), offset_));
  if (options_.predict) minibatch->source_rows.push_back(read_ - 1);
  minibatch->first_source = std::min(minibatch->first_source, offset_);
  minibatch->last_source = std::max(minibatch->last_source, offset_);
  ++minibatch->rows;
}

void TextChunkReader::End(Minibatch* minibatch) {
  decoder_->End(minibatch);
  minibatch->last_of_chunk = !have_row_;
  if (minibatch->rows == 0) minibatch->first_source = 0;
  if (options_.predict) minibatch->source_rows_read = have_row_ ? read_ - 1 : read_;
  if (options_.chunk.in_memory()) {
    minibatch->first_source = file_->LineOf(minibatch->first_source);
    minibatch->last_source = file_->LineOf(minibatch->last_source);
  }
  // The row ahead is the next minibatch's, which someone else may read.
  log_->CountRows(uncounted_ - have_row_);
  uncounted_ = have_row_;
}

}  // namespace sherd
