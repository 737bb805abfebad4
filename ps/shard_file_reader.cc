#include "ps/shard_file_reader.h"

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
  if (file_->size() < sizeof(header) + sizeof(FileFooter)) return bad("the file is cut off");
  RETURN_IF_ERROR(ReadStruct(*file_, 0, &header));
  if (std::memcmp(header.magic, kShardFileMagic, sizeof(header.magic)) != 0)
    return bad("not a shard's checkpoint file");
  if (header.version == 0 || header.version > kShardFileVersion) {
    return bad("version " + std::to_string(header.version) + ", this program reads versions 1 to " +
               std::to_string(kShardFileVersion));
  }
  version_ = header.version;
  if (header.crc != Crc32c(BytesOf(header).first(offsetof(FileHeader, crc)))) return bad("checksum does not match");
  if (header.first_slot > header.end_slot || header.end_slot > kSlots) return bad("slots are out of range");
  blocks_begin_ = sizeof(header) + std::uint64_t{header.spec_bytes};
  if (blocks_begin_ + sizeof(FileFooter) > file_->size()) return bad("the file is cut off");
  std::string spec(header.spec_bytes, '\0');
  RETURN_IF_ERROR(file_->ReadAt(sizeof(header), std::as_writable_bytes(std::span(spec))));
  if (header.spec_crc != Crc32c(std::as_bytes(std::span(spec)))) return bad("checksum of the model does not match");
  if (!model_.ParseFromString(spec)) return bad("the model can not be read");
  first_slot_ = header.first_slot;
  index_.resize(header.end_slot - header.first_slot);
  return {};
}

Status ShardFileReader::ReadFooter() {
  const auto bad = [&](const std::string& what) { return Status::BadData(file_->path() + ": footer: " + what); };
  FileFooter footer;
  const std::uint64_t end = file_->size() - sizeof(footer);
  RETURN_IF_ERROR(ReadStruct(*file_, end, &footer));
  if (std::memcmp(footer.magic, kShardFileEnd, sizeof(footer.magic)) != 0) return bad("missing, the file is cut off");
  if (footer.crc != Crc32c(BytesOf(footer).first(offsetof(FileFooter, crc)))) return bad("checksum does not match");
  const std::uint64_t index_bytes = index_.size() * sizeof(SlotEntry);
  if (footer.index_offset < blocks_begin_ || footer.index_offset > end || end - footer.index_offset != index_bytes) {
    return bad("the index is not where it should be");
  }
  RETURN_IF_ERROR(file_->ReadAt(footer.index_offset, std::as_writable_bytes(std::span(index_))));
  if (footer.index_crc != Crc32c(std::as_bytes(std::span(index_)))) return bad("checksum of the index does not match");
  rows_ = footer.rows;
  blocks_end_ = footer.index_offset;
  std::uint64_t expected = blocks_begin_;
  for (const SlotEntry& entry : index_) {
    if (entry.offset != expected || entry.bytes > blocks_end_ - expected) return bad("the index does not fit the file");
    expected += entry.bytes;
  }
  if (expected != blocks_end_) return bad("the index does not cover the file");
  return {};
}

Status ShardFileReader::ReadSlot(Slot slot, ShardFileVisitor* visitor) {
  CHECK(slot >= first_slot() && slot < end_slot()) << file_->path() << " has no slot " << slot;
  const SlotEntry& entry = index_[slot - first_slot_];
  std::uint64_t done = 0;
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
  BlockHeader header;
  if (left < sizeof(header)) return Status::BadData("is cut off");
  RETURN_IF_ERROR(ReadStruct(*file_, offset, &header));
  RETURN_IF_ERROR(CheckBlock(header, slot, left - sizeof(header)));
  payload_.Resize(header.payload_bytes);
  RETURN_IF_ERROR(file_->ReadAt(offset + sizeof(header), payload_.span()));
  const std::uint32_t crc = Crc32c(payload_.span(), Crc32c(BytesOf(header).first(offsetof(BlockHeader, crc))));
  if (crc != header.crc) return Status::BadData("checksum does not match");
  *bytes = sizeof(header) + header.payload_bytes;
  if (header.table == kDenseTable) return HandOnDense(header, payload_.span(), visitor);
  return HandOn(header, payload_.span(), visitor);
}

Status ShardFileReader::CheckBlock(const BlockHeader& header, Slot slot, std::uint64_t left) const {
  if (header.payload_bytes > left) return Status::BadData("is longer than its slot");
  if (header.slot != slot) return Status::BadData("is of slot " + std::to_string(header.slot));
  const bool dense = header.table == kDenseTable;
  const bool candidates = !dense && (header.table & kCandidates) != 0;
  if (!dense && (header.table & ~kCandidates) >= static_cast<std::uint32_t>(model_.table_size())) {
    return Status::BadData("is of table " + std::to_string(header.table) + ", which there is not");
  }
  if (candidates && header.row_bytes != sizeof(std::uint32_t)) return Status::BadData("has no counts of sightings");
  if (RowBytes(header) % sizeof(float) != 0) return Status::BadData("has rows that are not whole words");
  const std::uint64_t row = RowBytes(header) + (dense ? sizeof(DenseHeader) : sizeof(Key));
  const std::uint64_t rows = header.rows;
  if (rows == 0 || header.payload_bytes % rows != 0 || header.payload_bytes / rows != row || (dense && rows != 1)) {
    return Status::BadData("has " + std::to_string(header.payload_bytes) + " bytes for " + std::to_string(rows) +
                           " rows of " + std::to_string(row));
  }
  return {};
}

Status ShardFileReader::HandOn(const BlockHeader& header, std::span<const std::byte> payload,
                               ShardFileVisitor* visitor) const {
  const std::span<const Key> keys(reinterpret_cast<const Key*>(payload.data()), header.rows);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (SlotOf(keys[i]) != header.slot) return Status::BadData("has a key of another slot");
    if (i > 0 && keys[i] <= keys[i - 1]) return Status::BadData("its keys do not ascend");
  }
  const std::span<const std::byte> rows = payload.subspan(keys.size_bytes());
  if ((header.table & kCandidates) == 0) return visitor->OnRows(header.table, keys, rows);
  return visitor->OnCandidates(header.table & ~kCandidates, keys,
                               {reinterpret_cast<const std::uint32_t*>(rows.data()), keys.size()});
}

Status ShardFileReader::HandOnDense(const BlockHeader& header, std::span<const std::byte> payload,
                                    ShardFileVisitor* visitor) const {
  DenseHeader dense;
  std::memcpy(&dense, payload.data(), sizeof(dense));
  const std::uint64_t floats = RowBytes(header) / sizeof(float);
  if (dense.tensor >= static_cast<std::uint32_t>(model_.tensor_size()) || dense.length > floats) {
    return Status::BadData("is of a dense block that there is not");
  }
  const std::span<const float> values(reinterpret_cast<const float*>(payload.data() + sizeof(dense)), floats);
  return visitor->OnDense(dense.tensor, dense.first, dense.length, values);
}

}  // namespace sherd
