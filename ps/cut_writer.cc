#include "ps/cut_writer.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace sherd {

CutWriter::CutWriter(ShardStore* store, Options options) : store_(store), slot_(store->first_slot()) {
  bool delta = options.delta;
  for (std::size_t i = 0; i < store->tables(); ++i) delta = delta && store->table(i).can_delta();
  for (std::size_t i = 0; i < store->tables(); ++i) store->table(i).BeginCut(delta, options.track);
  CopyDense();
  file_ = ShardFileWriter::Start(store->model(), {.dir = std::move(options.dir),
                                                  .shard = store->shard(),
                                                  .first_slot = store->first_slot(),
                                                  .end_slot = store->end_slot(),
                                                  .delta = delta,
                                                  .compress = options.compress,
                                                  .wake = std::move(options.wake)});
}

CutWriter::~CutWriter() { EndCut(); }

BlockHeader CutWriter::HeaderOf(std::uint32_t table, BlockKind kind, std::uint32_t row_bytes) const {
  BlockHeader header{};
  header.table = table;
  header.kind = kind;
  header.slot = slot_;
  header.row_bytes = row_bytes;
  return header;
}

// Few megabytes against the rows' gigabytes.
void CutWriter::CopyDense() {
  const DenseBlocks& dense = store_->dense();
  for (std::uint32_t i = 0; i < dense.blocks().size(); ++i) {
    dense_copies_.push_back({.slot = dense.blocks()[i].slot, .block = i, .offset = dense_.size()});
    const std::span<const float> values = dense.Values(i);
    dense_.insert(dense_.end(), values.begin(), values.end());
  }
  std::ranges::stable_sort(dense_copies_, {}, &DenseCopy::slot);
}

void CutWriter::EndCut() {
  for (std::size_t i = 0; i < store_->tables(); ++i) store_->table(i).EndCut();
}

bool CutWriter::Step(Deadline until) {
  while (!filled_ && !file_->busy()) {
    if (table_ < store_->tables()) {
      failure_ = WriteTable(table_++);
    } else {
      WriteDense();
      table_ = 0;
      ++slot_;
    }
    if (Outcome().has_value()) return false;
    if (slot_ == store_->end_slot()) {
      filled_ = true;
      EndCut();
      file_->Finish();
    }
    if (Clock::now() >= until) break;
  }
  return !filled_ && !file_->busy();
}

std::optional<Result<proto::ShardFile>> CutWriter::Outcome() {
  if (!failure_.ok()) return failure_;
  return file_->Outcome();
}

Result<proto::ShardFile> CutWriter::Run() {
  while (!filled_ && !Outcome().has_value()) {
    if (!Step(Deadline::max())) file_->AwaitRoom();
  }
  return failure_.ok() ? file_->Wait() : failure_;
}

double CutWriter::pressure() const {
  std::uint64_t saved = 0;
  for (std::size_t i = 0; i < store_->tables(); ++i) saved += store_->table(i).saved_bytes();
  constexpr std::uint64_t kAlways = std::uint64_t{4} << 20, kShare = 24;
  return static_cast<double>(saved) / static_cast<double>(kAlways + store_->bytes() / kShare);
}

Status CutWriter::WriteTable(std::uint32_t number) {
  EmbeddingTable& table = store_->table(number);
  RETURN_IF_ERROR(table.ReadCut(slot_, &contents_));
  const std::uint32_t bytes = table.layout().row_bytes();
  const std::span<const EmbeddingTable::CutRow> rows = contents_.rows;
  WriteBlocks(HeaderOf(number, BlockKind::kRows, bytes), rows.size(),
              [&](std::size_t first, std::size_t count, Key* keys, std::byte* rest) {
                for (std::size_t i = 0; i < count; ++i) keys[i] = rows[first + i].key;
                table.CopyRows(rows.subspan(first, count), rest);
              });
  const auto& candidates = contents_.candidates;
  WriteBlocks(HeaderOf(number, BlockKind::kCandidates, sizeof(std::uint32_t)), candidates.size(),
              [&](std::size_t first, std::size_t count, Key* keys, std::byte* rest) {
                for (std::size_t i = 0; i < count; ++i) {
                  keys[i] = candidates[first + i].first;
                  std::memcpy(rest + i * sizeof(std::uint32_t), &candidates[first + i].second, sizeof(std::uint32_t));
                }
              });
  const std::vector<Key>& deleted = contents_.deleted;
  WriteBlocks(HeaderOf(number, BlockKind::kDeleted, 0), deleted.size(),
              [&](std::size_t first, std::size_t count, Key* keys, std::byte*) {
                std::copy_n(deleted.begin() + static_cast<std::ptrdiff_t>(first), count, keys);
              });
  table.EndSlot(slot_);
  return {};
}

// A table's slot is written as a whole, if need be by waiting for the disk: what it holds is in contents_ only until
// the table changes.
template <class Put>
void CutWriter::WriteBlocks(BlockHeader header, std::size_t count, const Put& put) {
  const std::size_t each = sizeof(Key) + header.row_bytes, most = RowsOfBlock(header.row_bytes);
  for (std::size_t first = 0; first < count; first += most) {
    FileBlock* const block = file_->Take(/*wait=*/true);
    if (block == nullptr) return;  // Outcome tells
    const std::size_t n = std::min(most, count - first);
    std::byte* const payload = block->Reserve(n * each).data();
    put(first, n, reinterpret_cast<Key*>(payload), payload + n * sizeof(Key));
    block->header = header;
    block->header.rows = static_cast<std::uint32_t>(n);
    block->bytes = n * each;
    file_->Give(block);
  }
}

void CutWriter::WriteDense() {
  for (; next_dense_ < dense_copies_.size() && dense_copies_[next_dense_].slot == slot_; ++next_dense_) {
    const DenseCopy& copy = dense_copies_[next_dense_];
    const DenseBlocks::Block& block = store_->dense().blocks()[copy.block];
    const DenseHeader place{
        .tensor = block.place.tensor, .first = block.place.first, .length = block.place.length, .unused = 0};
    FileBlock* const out = file_->Take(/*wait=*/true);
    if (out == nullptr) return;
    const std::size_t bytes = block.floats * sizeof(float);
    std::byte* const payload = out->Reserve(sizeof(place) + bytes).data();
    std::memcpy(payload, &place, sizeof(place));
    std::memcpy(payload + sizeof(place), &dense_[copy.offset], bytes);
    out->header = HeaderOf(kDenseTable, BlockKind::kDense, static_cast<std::uint32_t>(bytes));
    out->header.rows = 1;
    out->bytes = sizeof(place) + bytes;
    file_->Give(out);
  }
}

}  // namespace sherd
