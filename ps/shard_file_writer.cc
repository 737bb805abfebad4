#include "ps/shard_file_writer.h"

#include <glog/logging.h>
#include <zstd.h>

#include <cstring>
#include <utility>

#include "base/file_system.h"

namespace sherd {
namespace {

constexpr std::size_t kBlocks = 48;  // of 256 kB: with the file's buffers 15 MB
// So many are free again before one who waits is woken: waking for each would be most of the work.
constexpr std::size_t kEnough = kBlocks / 2;
// So many wait for the thread before it is woken: blocks of a delta are small.
constexpr std::size_t kWorthWaking = 8;
constexpr int kZstdLevel = 1;

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

std::string ShardFileName(std::uint32_t shard) { return "shard-" + std::to_string(shard) + ".sherd"; }

struct ShardFileWriter::Zstd {
  Zstd() : context(ZSTD_createCCtx()), frame(ZSTD_compressBound(kBlockBytes)) { CHECK(context != nullptr); }
  ~Zstd() { ZSTD_freeCCtx(context); }

  ZSTD_CCtx* const context;
  AlignedBuffer<std::byte> frame;
};

std::unique_ptr<ShardFileWriter> ShardFileWriter::Start(const proto::ModelSpec& model, Options options) {
  std::unique_ptr<ShardFileWriter> writer(new ShardFileWriter(model, std::move(options)));
  writer->thread_ = std::thread([w = writer.get()] { w->Run(); });
  return writer;
}

ShardFileWriter::ShardFileWriter(const proto::ModelSpec& model, Options options)
    : spec_(model.SerializeAsString()),
      options_(std::move(options)),
      path_(JoinPath(options_.dir, ShardFileName(options_.shard))),
      counts_(static_cast<std::size_t>(model.table_size())) {
  for (std::size_t i = 0; i < kBlocks; ++i) {
    blocks_.push_back(std::make_unique<FileBlock>());
    free_.push_back(blocks_.back().get());
  }
}

ShardFileWriter::~ShardFileWriter() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  given_.notify_one();
  thread_.join();
}

FileBlock* ShardFileWriter::Take(bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [&] { return !free_.empty() || outcome_.has_value(); });
  if (outcome_.has_value()) return nullptr;
  hungry_ = free_.empty();
  if (hungry_) return nullptr;
  FileBlock* const block = free_.back();
  free_.pop_back();
  block->bytes = 0;
  return block;
}

bool ShardFileWriter::busy() const {
  const std::lock_guard lock(mutex_);
  hungry_ = free_.size() < kEnough && !outcome_.has_value();
  return hungry_;
}

void ShardFileWriter::AwaitRoom() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return free_.size() >= kEnough || outcome_.has_value(); });
}

// Who has filled the block has it in its cache: the checksum costs the thread three times as much.
void ShardFileWriter::Give(FileBlock* block) {
  if (!options_.compress) block->crc = Crc32c({block->payload(), block->bytes});
  {
    const std::lock_guard lock(mutex_);
    CHECK(!finished_);
    queue_.push_back(block);
    if (queue_.size() < kWorthWaking) return;
  }
  given_.notify_one();
}

void ShardFileWriter::Finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  given_.notify_one();
}

std::optional<Result<proto::ShardFile>> ShardFileWriter::Outcome() {
  const std::lock_guard lock(mutex_);
  return outcome_;
}

Result<proto::ShardFile> ShardFileWriter::Wait() {
  std::unique_lock lock(mutex_);
  CHECK(finished_ || outcome_.has_value());
  changed_.wait(lock, [&] { return outcome_.has_value(); });
  return *outcome_;
}

// ---- the thread ----------------------------------------------------------------------------------------------------

void ShardFileWriter::Run() {
  Result<proto::ShardFile> result = Write();
  const bool opened = file_ != nullptr;
  file_ = nullptr;
  if (!result.ok()) {  // what could not be written need not be removable
    if (opened) FileSystem::Current().Remove(path_);
    FileSystem::Current().Remove(
        options_.dir);  // if it is empty: who gave up the cut may have done so before it was made
  }
  {
    const std::lock_guard lock(mutex_);
    outcome_.emplace(std::move(result));
    if (cancelled_) return;
  }
  changed_.notify_all();
  if (options_.wake) options_.wake();
}

Result<proto::ShardFile> ShardFileWriter::Write() {
  RETURN_IF_ERROR(MakeDirectory(options_.dir));
  ASSIGN_OR_RETURN(file_, FileWriter::Create(path_, FileWriter::Caching::kDirect));
  RETURN_IF_ERROR(WriteHeader());
  RETURN_IF_ERROR(WriteBlocks());
  RETURN_IF_ERROR(WriteEnd());
  RETURN_IF_ERROR(file_->Finish());
  RETURN_IF_ERROR(SyncDirectory(options_.dir));
  proto::ShardFile file;
  file.set_name(ShardFileName(options_.shard));
  file.set_bytes(file_->size());
  file.set_crc(file_->crc());
  file.set_first_slot(options_.first_slot);
  file.set_end_slot(options_.end_slot);
  std::uint64_t rows = 0;
  for (const TableCounts& counts : counts_) rows += counts.rows;
  file.set_rows(rows);
  if (options_.delta) file.set_delta(true);
  return file;
}

Status ShardFileWriter::WriteHeader() {
  FileHeader header{.magic = {},
                    .version = kShardFileVersion,
                    .first_slot = options_.first_slot,
                    .end_slot = options_.end_slot,
                    .delta = options_.delta ? 1u : 0u,
                    .spec_bytes = static_cast<std::uint32_t>(spec_.size()),
                    .spec_crc = Crc32c(std::as_bytes(std::span(spec_))),
                    .crc = 0};
  std::memcpy(header.magic, kShardFileMagic, sizeof(header.magic));
  header.crc = Crc32c(BytesOf(header).first(offsetof(FileHeader, crc)));
  RETURN_IF_ERROR(file_->Append(BytesOf(header)));
  return file_->Append(std::as_bytes(std::span(spec_)), header.spec_crc);
}

Status ShardFileWriter::WriteBlocks() {
  for (;;) {
    ASSIGN_OR_RETURN(FileBlock* const block, Next());
    if (block == nullptr) return {};
    RETURN_IF_ERROR(WriteBlock(block));
    TakeBack(block);
  }
}

Result<FileBlock*> ShardFileWriter::Next() {
  std::unique_lock lock(mutex_);
  given_.wait(lock, [&] { return !queue_.empty() || finished_ || cancelled_; });
  if (cancelled_) return Status::Stopped(path_ + ": given up");
  if (queue_.empty()) return nullptr;
  FileBlock* const block = queue_.front();
  queue_.pop_front();
  return block;
}

void ShardFileWriter::TakeBack(FileBlock* block) {
  if (block->memory.size() > kBlockBytes) block->memory = AlignedBuffer<std::byte>(kBlockBytes);
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(block);
    if (free_.size() < kEnough) return;
    wake = std::exchange(hungry_, false);
  }
  changed_.notify_all();
  if (wake && options_.wake) options_.wake();
}

// The bytes are read once for both checksums, the block's and the file's.
Status ShardFileWriter::WriteBlock(FileBlock* block) {
  BlockHeader header = block->header;
  CHECK(header.slot >= options_.first_slot && header.slot < options_.end_slot) << "slot " << header.slot;
  const std::size_t slot = header.slot - options_.first_slot;
  CHECK_GE(slot + 1, index_.size()) << "slots must ascend";
  while (index_.size() <= slot) index_.push_back({.offset = file_->size(), .bytes = 0});
  const std::span<const std::byte> payload(block->payload(), block->bytes);
  const std::span<const std::byte> stored = options_.compress ? Compress(payload) : payload;
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  header.stored_bytes = static_cast<std::uint32_t>(stored.size());
  const std::uint32_t stored_crc = options_.compress ? Crc32c(stored) : block->crc;
  const std::uint32_t header_crc = Crc32c(BytesOf(header).first(offsetof(BlockHeader, crc)));
  header.crc = Crc32cOfBoth(header_crc, stored_crc, stored.size());
  RETURN_IF_ERROR(file_->Append(BytesOf(header)));
  RETURN_IF_ERROR(file_->Append(stored, stored_crc));
  index_[slot].bytes += sizeof(header) + stored.size();
  ++written_blocks_;
  if (header.kind == BlockKind::kDense) return {};
  TableCounts& counts = counts_.at(header.table);
  (header.kind == BlockKind::kRows         ? counts.rows
   : header.kind == BlockKind::kCandidates ? counts.candidates
                                           : counts.deleted) += header.rows;
  return {};
}

std::span<const std::byte> ShardFileWriter::Compress(std::span<const std::byte> payload) {
  if (zstd_ == nullptr) zstd_ = std::make_unique<Zstd>();
  AlignedBuffer<std::byte>& frame = zstd_->frame;
  frame.Resize(ZSTD_compressBound(payload.size()));
  const std::size_t size =
      ZSTD_compressCCtx(zstd_->context, frame.data(), frame.size(), payload.data(), payload.size(), kZstdLevel);
  CHECK(!ZSTD_isError(size)) << ZSTD_getErrorName(size);
  return size < payload.size() ? std::span<const std::byte>(frame.span()).first(size) : payload;
}

Status ShardFileWriter::WriteEnd() {
  while (index_.size() < options_.end_slot - options_.first_slot) {
    index_.push_back({.offset = file_->size(), .bytes = 0});
  }
  FileFooter footer{.index_offset = file_->size(),
                    .rows = 0,
                    .blocks = written_blocks_,
                    .index_crc = 0,
                    .contents_crc = 0,
                    .crc = 0,
                    .magic = {}};
  for (const TableCounts& counts : counts_) footer.rows += counts.rows;
  const std::span<const std::byte> index = std::as_bytes(std::span(index_));
  const std::span<const std::byte> counts = std::as_bytes(std::span(counts_));
  footer.index_crc = Crc32c(counts, Crc32c(index));
  RETURN_IF_ERROR(file_->Append(index));
  RETURN_IF_ERROR(file_->Append(counts));
  footer.contents_crc = file_->crc();
  std::memcpy(footer.magic, kShardFileEnd, sizeof(footer.magic));
  footer.crc = Crc32c(BytesOf(footer).first(offsetof(FileFooter, crc)));
  return file_->Append(BytesOf(footer));
}

}  // namespace sherd
