#include "worker/data/row_file_chunk_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "worker/data/chunk_cutter.h"
#include "worker/data/shuffle.h"

namespace sherd {
namespace {
constexpr double kMaxBadRows = 100'000;  // of a chunk that say nothing about the file as a whole
}  // namespace

struct RowWindows::Spare {
  std::mutex mutex;
  std::vector<std::unique_ptr<RowWindow>> windows;
};

std::shared_ptr<RowWindow> RowWindows::Take() {
  std::unique_ptr<RowWindow> window;
  {
    std::lock_guard lock(spare_->mutex);
    if (!spare_->windows.empty()) {
      window = std::move(spare_->windows.back());
      spare_->windows.pop_back();
    }
  }
  if (window == nullptr) window = std::make_unique<RowWindow>();
  return {window.release(), [spare = spare_](RowWindow* used) {
            std::lock_guard lock(spare->mutex);
            spare->windows.emplace_back(used);
          }};
}

RowWindows::RowWindows() : spare_(std::make_shared<Spare>()) {}

Status FillWindow(const RowFile& file, RowFileReader* reader, const ColumnEncoder& encoder, std::uint32_t first,
                  std::uint32_t end, RowWindow* window) {
  window->first_row = file.first_row(first);
  window->begins.assign(1, 0);
  window->blocks.resize(std::max<std::size_t>(window->blocks.size(), end - first));
  for (std::uint32_t block = first; block < end; ++block) {
    std::unique_ptr<BlockFeatures>& features = window->blocks[block - first];
    if (features == nullptr) features = std::make_unique<BlockFeatures>();
    RETURN_IF_ERROR(reader->Read(block, &features->block));
    RETURN_IF_ERROR(encoder.Prepare(features.get()));
    window->begins.push_back(window->begins.back() + file.block(block).rows);
  }
  return {};
}

RowFileChunkReader::RowFileChunkReader(Options options, const RowFile* file, BadRowLog* log,
                                       std::shared_ptr<const RowWindow> window, EpochOrder::Rows order,
                                       ColumnEncoder encoder)
    : options_(std::move(options)),
      file_(file),
      log_(log),
      window_(std::move(window)),
      given_(std::move(order)),
      encoder_(std::move(encoder)) {
  for (std::size_t i = 0; i + 1 < window_->begins.size(); ++i) blocks_.push_back(window_->blocks[i].get());
}

PickedRow RowFileChunkReader::PlaceOf(std::uint32_t row) const {
  const auto after = std::upper_bound(window_->begins.begin(), window_->begins.end(), row);
  const auto block = static_cast<std::uint32_t>(after - window_->begins.begin() - 1);
  return {block, row - window_->begins[block], 0};
}

Status RowFileChunkReader::Start() {
  started_ = true;
  ListRows();
  const std::uint64_t all = rows_.size();
  RETURN_IF_ERROR(DropUnusable());
  dropped_ = all - rows_.size();
  const bool training = options_.chunk.set() == proto::Chunk::TRAIN && !options_.predict;
  minibatch_rows_ = training ? EvenRows(rows_.size(), options_.batch_size) : options_.batch_size;
  if (options_.deal_seed) Deal();
  minibatches_ = options_.first_minibatch;
  if (minibatches_ == 0) log_->CountRows(dropped_);  // the others were counted by whoever read the first
  return {};
}

void RowFileChunkReader::ListRows() {
  if (given_ != nullptr) {
    rows_.assign(given_->begin() + options_.chunk.begin(), given_->begin() + options_.chunk.end());
    return;
  }
  rows_.resize(window_->rows());
  std::iota(rows_.begin(), rows_.end(), 0);
  if (!options_.keep) return;
  std::erase_if(rows_, [&](std::uint32_t row) { return !options_.keep(window_->first_row + row); });
}

Status RowFileChunkReader::DropUnusable() {
  const bool all_good = std::none_of(blocks_.begin(), blocks_.end(),
                                     [&](const BlockFeatures* block) { return encoder_.has_bad_labels(*block); });
  if (options_.predict || (all_good && options_.negative_rate >= 1)) return {};
  const std::size_t all = rows_.size();
  std::uint64_t bad = 0;
  std::erase_if(rows_, [&](std::uint32_t row) {
    const PickedRow place = PlaceOf(row);
    const float label = encoder_.LabelAt(*blocks_[place.block], place.row);
    if (std::isnan(label)) {
      ++bad;
      if (options_.first_minibatch == 0) NoteBad(row);
      return true;
    }
    if (options_.negative_rate >= 1 || label != 0) return false;
    return !IsSampled(RowId(options_.chunk.file(), window_->first_row + row), options_.negative_rate);
  });
  if (static_cast<double>(bad) <= std::max(kMaxBadRows, options_.max_bad_fraction * static_cast<double>(all))) {
    return {};
  }
  log_->CountRows(all);
  return Status::BadData(file_->path() + ": " + std::to_string(bad) +
                         " rows of a chunk have no label that fits model.loss, more than data.max_bad_fraction allows");
}

void RowFileChunkReader::NoteBad(std::uint32_t row) {
  RowError error;
  Refuse(&error, "label 0 or 1 expected", "another", "label");
  log_->AddBad(error, [&] { return file_->path() + ": row " + std::to_string(window_->first_row + row + 1); });
}

// Each row goes to a minibatch by chance; there they stand as in the file, so that reading goes from front to end.
void RowFileChunkReader::Deal() {
  const std::size_t count = rows_.size();
  std::vector<std::uint32_t> owners(count), dealt(count), next;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % minibatch_rows_ == 0) next.push_back(static_cast<std::uint32_t>(i));
    owners[i] = static_cast<std::uint32_t>(next.size() - 1);
  }
  Shuffle(*options_.deal_seed, std::span(owners));
  for (std::size_t i = 0; i < count; ++i) dealt[next[owners[i]]++] = rows_[i];
  rows_ = std::move(dealt);
}

Result<bool> RowFileChunkReader::Next(Minibatch* minibatch) {
  if (!started_) RETURN_IF_ERROR(Start());
  const std::uint64_t begin = std::min<std::uint64_t>(minibatches_ * minibatch_rows_, rows_.size());
  const std::uint64_t end = std::min<std::uint64_t>(begin + minibatch_rows_, rows_.size());
  if (begin == end) return false;
  const std::span<const std::uint32_t> rows(rows_.data() + begin, end - begin);
  minibatch->ClearRows();
  minibatch->epoch = options_.epoch;
  minibatch->chunk = options_.chunk.id();
  minibatch->index = minibatches_++;
  minibatch->file = options_.chunk.file();
  minibatch->last_of_chunk = end == rows_.size();
  Pick(rows);
  RETURN_IF_ERROR(encoder_.Fill(blocks_, picked_, minibatch));
  minibatch->first_source = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint32_t row : rows) {
    const std::uint64_t place = window_->first_row + row;
    minibatch->row_ids.push_back(RowId(options_.chunk.file(), place));
    minibatch->first_source = std::min(minibatch->first_source, place);
    minibatch->last_source = std::max(minibatch->last_source, place);
  }
  if (options_.predict) {
    for (std::uint64_t i = begin; i < end; ++i) minibatch->source_rows.push_back(static_cast<std::uint32_t>(i));
    minibatch->source_rows_read = static_cast<std::uint32_t>(end);
  }
  log_->CountRows(rows.size());
  return true;
}

void RowFileChunkReader::Pick(std::span<const std::uint32_t> rows) {
  picked_.clear();
  if (std::is_sorted(rows.begin(), rows.end())) {
    std::uint32_t block = 0;
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
      while (rows[i] >= window_->begins[block + 1]) ++block;
      picked_.push_back({block, rows[i] - window_->begins[block], i});
    }
    return;
  }
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    PickedRow& picked = picked_.emplace_back(PlaceOf(rows[i]));
    picked.place = i;
  }
  std::sort(picked_.begin(), picked_.end(), [](const PickedRow& a, const PickedRow& b) {
    return a.block != b.block ? a.block < b.block : a.row < b.row;
  });
}

}  // namespace sherd
