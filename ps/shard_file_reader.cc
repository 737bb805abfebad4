#include "ps/shard_file_reader.h"

#include <zstd.h>

#include <cstring>

namespace sherd {
namespace {

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename T>
Status ReadStruct(const FileReader& file, std::uint64_t offset, T* value) {
  return file.ReadAt(offset, std::as_writable_bytes(std::span(value, 1)));
}

// What versions 1 and 2 had otherwise.
struct OldFileHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t first_slot, end_slot;
  std::uint32_t spec_bytes;
  std::uint32_t spec_crc;
  std::uint32_t crc;
};
struct OldBlockHeader {
  std::uint32_t table;  // with kOldCandidates: of that table
  std::uint32_t slot;
  std::uint32_t rows;
  std::uint32_t row_bytes;  // version 1: floats a row
  std::uint32_t payload_bytes;
  std::uint32_t crc;
};
constexpr std::uint32_t kOldCandidates = std::uint32_t{1} << 31;
struct OldFileFooter {
  std::uint64_t index_offset;
  std::uint64_t rows;
  std::uint32_t index_crc;
  std::uint32_t crc;
  char magic[8];
};
static_assert(sizeof(OldFileHeader) == 32 && sizeof(OldBlockHeader) == 24 && sizeof(OldFileFooter) == 32);

// Any part's, of all before its `crc`.
template <typename T>
bool ChecksumMatches(const T& part) {
  return part.crc == Crc32c(BytesOf(part).first(offsetof(T, crc)));
}

}  // namespace

Result<std::unique_ptr<ShardFileReader>> ShardFileReader::Open(const std::string& path) {
  ASSIGN_OR_RETURN(auto file, FileReader::Open(path));
  std::unique_ptr<ShardFileReader> reader(new ShardFileReader(std::move(file)));
  RETURN_IF_ERROR(reader->ReadHeader());
  RETURN_IF_ERROR(reader->ReadFooter());
  return reader;
}

Status ShardFileReader::ReadHeader() {
  const auto bad = [&](const std::string& what) { return Status::BadData(file_->path() + ": header: " + what); };
  FileHeader header;
  if (file_->size() < sizeof(header) + sizeof(OldFileFooter)) return bad("the file is cut off");
  RETURN_IF_ERROR(ReadStruct(*file_, 0, &header));
  if (std::memcmp(header.magic, kShardFileMagic, sizeof(header.magic)) != 0)
    return bad("not a shard's checkpoint file");
  if (header.version == 0 || header.version > kShardFileVersion) {
    return bad("version " + std::to_string(header.version) + ", this program reads versions 1 to " +
               std::to_string(kShardFileVersion));
  }
  version_ = header.version;
  std::uint64_t header_bytes = sizeof(header);
  bool matches = ChecksumMatches(header);
  if (version_ < 3) {
    OldFileHeader old;
    RETURN_IF_ERROR(ReadStruct(*file_, 0, &old));
    header_bytes = sizeof(old);
    matches = ChecksumMatches(old);
    header.delta = 0;
    header.spec_bytes = old.spec_bytes;
    header.spec_crc = old.spec_crc;
  }
  if (!matches) return bad("checksum does not match");
  if (header.first_slot > header.end_slot || header.end_slot > kSlots) return bad("slots are out of range");
  if (header.delta > 1) return bad("neither full nor a delta");
  blocks_begin_ = header_bytes + std::uint64_t{header.spec_bytes};
  if (blocks_begin_ + sizeof(OldFileFooter) > file_->size()) return bad("the file is cut off");
  std::string spec(header.spec_bytes, '\0');
  RETURN_IF_ERROR(file_->ReadAt(header_bytes, std::as_writable_bytes(std::span(spec))));
  if (header.spec_crc != Crc32c(std::as_bytes(std::span(spec)))) return bad("checksum of the model does not match");
  if (!model_.ParseFromString(spec)) return bad("the model can not be read");
  first_slot_ = header.first_slot;
  delta_ = header.delta == 1;
  if (version_ >= 3) counts_.resize(static_cast<std::size_t>(model_.table_size()));
  index_.resize(header.end_slot - header.first_slot);
  return {};
}

Status ShardFileReader::ReadFooter() {
  const auto bad = [&](const std::string& what) { return Status::BadData(file_->path() + ": footer: " + what); };
  const auto read = [&](auto* footer) -> Status {
    if (file_->size() < blocks_begin_ + sizeof(*footer)) return bad("missing, the file is cut off");
    RETURN_IF_ERROR(ReadStruct(*file_, file_->size() - sizeof(*footer), footer));
    if (std::memcmp(footer->magic, kShardFileEnd, sizeof(footer->magic)) != 0)
      return bad("missing, the file is cut off");
    if (!ChecksumMatches(*footer)) return bad("checksum does not match");
    rows_ = footer->rows;
    return ReadIndex(footer->index_offset, file_->size() - sizeof(*footer), footer->index_crc);
  };
  if (version_ < 3) {
    OldFileFooter footer;
    return read(&footer);
  }
  FileFooter footer;
  RETURN_IF_ERROR(read(&footer));
  crc_ = Crc32cOfBoth(footer.contents_crc, Crc32c(BytesOf(footer)), sizeof(footer));
  return {};
}

Status ShardFileReader::ReadIndex(std::uint64_t offset, std::uint64_t end, std::uint32_t crc) {
  const auto bad = [&](const std::string& what) { return Status::BadData(file_->path() + ": index: " + what); };
  const std::span<std::byte> index = std::as_writable_bytes(std::span(index_));
  const std::span<std::byte> counts = std::as_writable_bytes(std::span(counts_));
  if (offset < blocks_begin_ || offset > end || end - offset != index.size() + counts.size())
    return bad("is not where it should be");
  RETURN_IF_ERROR(file_->ReadAt(offset, index));
  RETURN_IF_ERROR(file_->ReadAt(offset + index.size(), counts));
  if (crc != Crc32c(counts, Crc32c(index))) return bad("checksum does not match");
  blocks_end_ = offset;
  std::uint64_t expected = blocks_begin_;
  for (const SlotEntry& entry : index_) {
    if (entry.offset != expected || entry.bytes > blocks_end_ - expected) return bad("does not fit the file");
    expected += entry.bytes;
  }
  if (expected != blocks_end_) return bad("does not cover the file");
  return {};
}

Status ShardFileReader::ReadSlot(Slot slot, ShardFileVisitor* visitor) {
  CHECK(slot >= first_slot() && slot < end_slot()) << file_->path() << " has no slot " << slot;
  const SlotEntry& entry = index_[slot - first_slot_];
  std::uint64_t done = 0;
  last_block_.reset();
  for (std::uint64_t block = 0; done < entry.bytes; ++block) {
    std::uint64_t bytes = 0;
    const Status status = ReadBlock(slot, entry.offset + done, entry.bytes - done, &bytes, visitor);
    if (!status.ok()) {
      return status.Annotate(file_->path() + ": block " + std::to_string(block) + " of slot " + std::to_string(slot) +
                             " at byte " + std::to_string(entry.offset + done));
    }
    done += bytes;
  }
  return {};
}

Status ShardFileReader::ReadBlock(Slot slot, std::uint64_t offset, std::uint64_t left, std::uint64_t* bytes,
                                  ShardFileVisitor* visitor) {
  const std::uint64_t header_bytes = BlockHeaderBytes();
  if (left < header_bytes) return Status::BadData("is cut off");
  std::uint32_t crc = 0;
  ASSIGN_OR_RETURN(const BlockHeader header, ReadBlockHeader(offset, &crc));
  if (header.stored_bytes > left - header_bytes) return Status::BadData("is longer than its slot");
  stored_.Resize(header.stored_bytes);
  RETURN_IF_ERROR(file_->ReadAt(offset + header_bytes, stored_.span()));
  if (Crc32c(stored_.span(), crc) != header.crc) return Status::BadData("checksum does not match");
  RETURN_IF_ERROR(CheckBlock(header, slot));
  *bytes = header_bytes + header.stored_bytes;
  if (header.stored_bytes == header.payload_bytes) return HandOn(header, stored_.span(), visitor);
  RETURN_IF_ERROR(Unpack(header));
  return HandOn(header, payload_.span(), visitor);
}

std::uint64_t ShardFileReader::BlockHeaderBytes() const {
  return version_ < 3 ? sizeof(OldBlockHeader) : sizeof(BlockHeader);
}

Result<BlockHeader> ShardFileReader::ReadBlockHeader(std::uint64_t offset, std::uint32_t* crc) {
  if (version_ >= 3) {
    BlockHeader header;
    RETURN_IF_ERROR(ReadStruct(*file_, offset, &header));
    *crc = Crc32c(BytesOf(header).first(offsetof(BlockHeader, crc)));
    return header;
  }
  OldBlockHeader old;
  RETURN_IF_ERROR(ReadStruct(*file_, offset, &old));
  *crc = Crc32c(BytesOf(old).first(offsetof(OldBlockHeader, crc)));
  const bool dense = old.table == kDenseTable;
  const bool candidates = !dense && (old.table & kOldCandidates) != 0;
  return BlockHeader{.table = dense ? kDenseTable : old.table & ~kOldCandidates,
                     .kind = dense        ? BlockKind::kDense
                             : candidates ? BlockKind::kCandidates
                                          : BlockKind::kRows,
                     .slot = old.slot,
                     .rows = old.rows,
                     .row_bytes = version_ == 1 ? old.row_bytes * 4 : old.row_bytes,
                     .payload_bytes = old.payload_bytes,
                     .stored_bytes = old.payload_bytes,
                     .crc = old.crc};
}

Status ShardFileReader::CheckBlock(const BlockHeader& header, Slot slot) {
  if (header.slot != slot) return Status::BadData("is of slot " + std::to_string(header.slot));
  if (header.kind > BlockKind::kDense) {
    return Status::BadData("is of kind " + std::to_string(static_cast<std::uint32_t>(header.kind)) +
                           ", which there is not");
  }
  const bool dense = header.kind == BlockKind::kDense;
  if (dense ? header.table != kDenseTable : header.table >= static_cast<std::uint32_t>(model_.table_size())) {
    return Status::BadData("is of table " + std::to_string(header.table) + ", which there is not");
  }
  if (header.kind == BlockKind::kCandidates && header.row_bytes != sizeof(std::uint32_t))
    return Status::BadData("has no counts of sightings");
  if (header.kind == BlockKind::kDeleted && (header.row_bytes != 0 || !delta_))
    return Status::BadData("has deleted keys where there are none");
  if (header.row_bytes % sizeof(float) != 0) return Status::BadData("has rows that are not whole words");
  const std::uint64_t row = std::uint64_t{header.row_bytes} + (dense ? sizeof(DenseHeader) : sizeof(Key));
  const std::uint64_t rows = header.rows, payload = header.payload_bytes;
  if (rows == 0 || payload != rows * row || header.stored_bytes > payload || (dense && rows != 1)) {
    return Status::BadData("has " + std::to_string(payload) + " bytes for " + std::to_string(rows) + " rows of " +
                           std::to_string(row));
  }
  const std::pair<std::uint32_t, BlockKind> block(header.table, header.kind);
  if (last_block_ > block) return Status::BadData("does not belong behind the block before it");
  if (last_block_ != block) last_key_.reset();
  last_block_ = block;
  return {};
}

Status ShardFileReader::Unpack(const BlockHeader& header) {
  if (ZSTD_getFrameContentSize(stored_.data(), stored_.size()) != header.payload_bytes) {
    return Status::BadData("is not a frame of zstd with " + std::to_string(header.payload_bytes) + " bytes");
  }
  payload_.Resize(header.payload_bytes);
  const std::size_t size = ZSTD_decompress(payload_.data(), payload_.size(), stored_.data(), stored_.size());
  if (ZSTD_isError(size)) return Status::BadData(std::string("can not be unpacked: ") + ZSTD_getErrorName(size));
  if (size != payload_.size()) return Status::BadData("unpacks to " + std::to_string(size) + " bytes");
  return {};
}

// They ascend, also from block to block.
Status ShardFileReader::CheckKeys(const BlockHeader& header, std::span<const Key> keys) {
  bool any = last_key_.has_value();
  std::uint64_t last = last_key_.value_or(0);
  for (const Key key : keys) {
    const std::uint64_t hash = Mix(key);
    if (hash >> 52 != header.slot) return Status::BadData("has a key of another slot");
    const std::uint64_t order = version_ < 3 ? key : hash;
    if (any && order <= last) return Status::BadData("its keys do not ascend");
    last = order;
    any = true;
  }
  last_key_ = last;
  return {};
}

Status ShardFileReader::HandOn(const BlockHeader& header, std::span<const std::byte> payload,
                               ShardFileVisitor* visitor) {
  if (header.kind == BlockKind::kDense) return HandOnDense(header, payload, visitor);
  const std::span<const Key> keys(reinterpret_cast<const Key*>(payload.data()), header.rows);
  RETURN_IF_ERROR(CheckKeys(header, keys));
  const std::span<const std::byte> rows = payload.subspan(keys.size_bytes());
  if (header.kind == BlockKind::kRows) return visitor->OnRows(header.table, keys, rows);
  if (header.kind == BlockKind::kDeleted) return visitor->OnDeleted(header.table, keys);
  return visitor->OnCandidates(header.table, keys, {reinterpret_cast<const std::uint32_t*>(rows.data()), keys.size()});
}

Status ShardFileReader::HandOnDense(const BlockHeader& header, std::span<const std::byte> payload,
                                    ShardFileVisitor* visitor) const {
  DenseHeader dense;
  std::memcpy(&dense, payload.data(), sizeof(dense));
  const std::uint64_t floats = header.row_bytes / sizeof(float);
  if (dense.tensor >= static_cast<std::uint32_t>(model_.tensor_size()) || dense.length > floats) {
    return Status::BadData("is of a dense block that there is not");
  }
  const std::span<const float> values(reinterpret_cast<const float*>(payload.data() + sizeof(dense)), floats);
  return visitor->OnDense(dense.tensor, dense.first, dense.length, values);
}

}  // namespace sherd
