#include "worker/data/row_file.h"

#include <algorithm>
#include <cstring>

namespace sherd {
namespace {

template <typename T>
std::span<std::byte> WritableBytes(T* value) {
  return std::as_writable_bytes(std::span(value, 1));
}

constexpr char kUnlike[] = ": not a row file, or one that was not finished";

}  // namespace

Result<std::unique_ptr<RowFile>> RowFile::Open(const std::string& path) {
  std::unique_ptr<RowFile> file(new RowFile(path));
  ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> bytes, FileReader::Open(path));
  file->size_ = bytes->size();
  std::uint32_t schema_crc;
  RETURN_IF_ERROR(file->ReadHeader(*bytes, &schema_crc));
  RETURN_IF_ERROR(file->ReadIndex(*bytes, schema_crc));
  return file;
}

Status RowFile::ReadHeader(const FileReader& file, std::uint32_t* schema_crc) {
  RowFileHeader header;
  if (size_ < sizeof(header) + sizeof(RowFileFooter)) return Status::BadData(path_ + kUnlike);
  RETURN_IF_ERROR(file.ReadAt(0, WritableBytes(&header)));
  if (std::memcmp(header.magic, kRowFileMagic, sizeof(header.magic)) != 0) return Status::BadData(path_ + kUnlike);
  if (header.version != kRowFileVersion) {
    return Status::BadData(path_ + ": version " + std::to_string(header.version) +
                           " of the row file's format; this program reads version " + std::to_string(kRowFileVersion) +
                           ": convert the data with it");
  }
  const std::span<const std::byte> checked = WritableBytes(&header).first(offsetof(RowFileHeader, crc));
  if (Crc32c(checked) != header.crc || header.schema_bytes > size_ - sizeof(header) - sizeof(RowFileFooter)) {
    return Status::BadData(path_ + ": the file's header is damaged");
  }
  std::string text(header.schema_bytes, '\0');
  RETURN_IF_ERROR(file.ReadAt(sizeof(header), std::as_writable_bytes(std::span(text))));
  if (Crc32c(std::as_bytes(std::span(text))) != header.schema_crc || !schema_.ParseFromString(text)) {
    return Status::BadData(path_ + ": the file's schema is damaged");
  }
  RETURN_IF_ERROR(CheckRowFileSchema(schema_).Annotate(path_));
  *schema_crc = header.schema_crc;
  streams_ = RowFileStreams(schema_);
  data_begin_ = sizeof(header) + text.size();
  return {};
}

Status RowFile::ReadIndex(const FileReader& file, std::uint32_t schema_crc) {
  RowFileFooter footer;
  RETURN_IF_ERROR(file.ReadAt(size_ - sizeof(footer), WritableBytes(&footer)));
  const std::span<const std::byte> checked = WritableBytes(&footer).first(offsetof(RowFileFooter, crc));
  if (std::memcmp(footer.magic, kRowFileEnd, sizeof(footer.magic)) != 0 || Crc32c(checked) != footer.crc) {
    return Status::BadData(path_ + ": the file's end is damaged or missing");
  }
  const std::uint64_t index_bytes = std::uint64_t{footer.blocks} * sizeof(BlockEntry);
  if (footer.schema_crc != schema_crc || footer.index_offset < data_begin_ || footer.index_offset > size_ ||
      size_ - footer.index_offset != index_bytes + sizeof(footer)) {
    return Status::BadData(path_ + ": the file's end does not belong to its begin");
  }
  blocks_.resize(footer.blocks);
  const auto index = std::as_writable_bytes(std::span(blocks_));
  RETURN_IF_ERROR(file.ReadAt(footer.index_offset, index));
  if (Crc32c(index) != footer.index_crc) return Status::BadData(path_ + ": the file's index is damaged");
  return CheckIndex(footer);
}

Status RowFile::CheckIndex(const RowFileFooter& footer) {
  const std::uint64_t head = sizeof(BlockHead) + streams_.count * sizeof(StreamHeader);
  std::uint64_t offset = data_begin_;
  first_rows_ = {0};
  for (const BlockEntry& block : blocks_) {
    if (block.offset != offset || block.rows == 0 || block.rows > kMaxBlockRows || block.stored_bytes < head) {
      return Status::BadData(path_ + ": block " + std::to_string(first_rows_.size() - 1) + ": its index is damaged");
    }
    offset += block.stored_bytes;
    first_rows_.push_back(first_rows_.back() + block.rows);
  }
  if (offset == footer.index_offset && rows() == footer.rows) return {};
  return Status::BadData(path_ + ": the file's index is damaged");
}

std::uint32_t RowFile::BlockAt(std::uint64_t first_row) const {
  const auto found = std::lower_bound(first_rows_.begin(), first_rows_.end(), first_row);
  const bool begins = found != first_rows_.end() && *found == first_row;
  return begins ? static_cast<std::uint32_t>(found - first_rows_.begin()) : blocks();
}

Status RowFile::Damaged(std::uint32_t block, int stream, const std::string& what) const {
  return Status::BadData(path_ + ": block " + std::to_string(block) + ": " + streams_.NameOf(schema_, stream) + ": " +
                         what);
}

Result<bool> IsRowFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, FileReader::Open(path));
  char magic[sizeof(kRowFileMagic)];
  if (file->size() < sizeof(magic)) return false;
  RETURN_IF_ERROR(file->ReadAt(0, WritableBytes(&magic)));
  return std::memcmp(magic, kRowFileMagic, sizeof(magic)) == 0;
}

}  // namespace sherd
