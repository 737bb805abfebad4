#include <zstd.h>

#include <cstring>

#include "worker/data/huge_pages.h"
#include "worker/data/row_file.h"
#include "worker/data/row_parser.h"

namespace sherd {
namespace {

constexpr std::size_t kSlack = 8;  // that PackedIntegers reads beyond an end

std::uint64_t EntryBytes(const StreamHeader& header) {
  const std::uint64_t base = header.kind == Entries::kIntegers ? sizeof(std::int64_t) : 0;
  return base + PackedBytes(header.entries, header.entry_bits);
}
std::uint64_t IdBytes(const StreamHeader& header) {
  return header.entries == header.values ? 0 : PackedBytes(header.values, header.id_bits);
}

bool BitsFit(const StreamHeader& header) {
  switch (header.kind) {
    case Entries::kIntegers:
    case Entries::kTokens:
      return header.entry_bits <= kMaxPackedBits;
    case Entries::kFloats:
      return header.entry_bits == 32;
    case Entries::kDoubles:
    case Entries::kKeys:
      return header.entry_bits == 64;
  }
  return false;
}

bool IsOf(Entries entries, proto::RowFileColumn::Kind kind) {
  if (entries == Entries::kKeys) return kind == proto::RowFileColumn::KEY;
  if (entries == Entries::kTokens) return kind == proto::RowFileColumn::TOKEN;
  return kind == proto::RowFileColumn::NUMBER;
}

// May a stream of this kind have such a header? Then its parts fit its payload, but for the bytes of tokens.
bool IsSound(const StreamHeader& header, proto::RowFileColumn::Kind kind) {
  if (!BitsFit(header) || !IsOf(header.kind, kind)) return false;
  if (header.entries > header.values || (header.entries == 0) != (header.values == 0)) return false;
  const bool direct = header.entries == header.values;
  if (header.id_bits != (direct ? 0 : BitsOf(header.entries - 1))) return false;
  if (header.payload_bytes > kMaxStreamBytes || header.stored_bytes > header.payload_bytes) return false;
  const std::uint64_t least = EntryBytes(header) + IdBytes(header);
  return header.kind == Entries::kTokens ? header.payload_bytes >= least : header.payload_bytes == least;
}

// Do the lengths of tokens add up to the bytes that are there?
bool TokensFit(const BlockStream& stream) {
  const StreamHeader& header = stream.header;
  const PackedIntegers lengths(stream.entries(), header.entry_bits);
  const std::uint64_t bytes = header.payload_bytes - EntryBytes(header) - IdBytes(header);
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < header.entries && sum <= bytes; ++i) sum += lengths[i];
  return sum == bytes;
}

}  // namespace

Status ReadNumbers(const RowFile& file, const RowBlock& block, int stream, std::vector<double>* numbers) {
  const BlockStream& from = block.streams[stream];
  std::vector<double> entries(from.header.entries);
  ForEachNumber(from, [&](std::uint32_t i, double number) { entries[i] = number; });
  numbers->resize(from.header.values);
  for (std::size_t i = 0; i < numbers->size(); ++i) {
    const std::size_t id = from.id(i);
    if (id >= entries.size()) return file.Damaged(block.index, stream, "a value that the block does not have");
    (*numbers)[i] = entries[id];
  }
  return {};
}

Result<std::unique_ptr<RowFileReader>> RowFileReader::Open(const RowFile* file, std::vector<bool> wanted) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileReader> bytes, FileReader::Open(file->path()));
  if (bytes->size() < file->size()) {
    return Status::BadData(file->path() + ": ends at byte " + std::to_string(bytes->size()) + ", but had " +
                           std::to_string(file->size()) + " bytes when the job began");
  }
  return std::unique_ptr<RowFileReader>(new RowFileReader(file, std::move(wanted), std::move(bytes)));
}

RowFileReader::RowFileReader(const RowFile* file, std::vector<bool> wanted, std::unique_ptr<FileReader> bytes)
    : file_(file), wanted_(std::move(wanted)), bytes_(std::move(bytes)), zstd_(ZSTD_createDCtx()) {
  CHECK(zstd_ != nullptr);
  headers_.resize(file_->streams().count);
  head_.resize(sizeof(BlockHead) + headers_.size() * sizeof(StreamHeader));
}
RowFileReader::~RowFileReader() { ZSTD_freeDCtx(zstd_); }

Status RowFileReader::Read(std::uint32_t block, RowBlock* out) {
  RETURN_IF_ERROR(ReadHeaders(block, out));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < headers_.size(); ++i) bytes += wanted_[i] ? headers_[i].payload_bytes + kSlack : 0;
  out->memory.Resize(bytes);
  AskForHugePages(&out->memory);
  out->streams.assign(headers_.size(), {});
  std::uint64_t offset = file_->block(block).offset + head_.size();
  std::byte* payload = out->memory.data();
  for (std::size_t i = 0; i < headers_.size(); offset += headers_[i++].stored_bytes) {
    BlockStream& stream = out->streams[i];
    stream.header = headers_[i];
    if (!wanted_[i]) continue;
    RETURN_IF_ERROR(ReadStream(block, static_cast<int>(i), offset, payload));
    stream.payload = payload;
    stream.ids = {payload + stream.header.payload_bytes - IdBytes(stream.header), stream.header.id_bits};
    if (stream.header.kind == Entries::kTokens && !TokensFit(stream)) {
      return file_->Damaged(block, static_cast<int>(i), "tokens have other lengths than they should");
    }
    payload += stream.header.payload_bytes + kSlack;
    std::memset(payload - kSlack, 0, kSlack);
  }
  return CheckLists(*out);
}

Status RowFileReader::ReadHeaders(std::uint32_t block, RowBlock* out) {
  const BlockEntry& entry = file_->block(block);
  RETURN_IF_ERROR(bytes_->ReadAt(entry.offset, head_));
  BlockHead head;
  std::memcpy(&head, head_.data(), sizeof(head));
  std::memcpy(headers_.data(), head_.data() + sizeof(head), headers_.size() * sizeof(StreamHeader));
  const auto rows = std::as_bytes(std::span(&head.rows, 1));
  if (Crc32c(std::span(head_).subspan(sizeof(head)), Crc32c(rows)) != head.crc || head.rows != entry.rows) {
    return Status::BadData(file_->path() + ": block " + std::to_string(block) + ": its head is damaged");
  }
  out->index = block;
  out->rows = head.rows;
  return CheckHeaders(block);
}

Status RowFileReader::CheckHeaders(std::uint32_t block) const {
  const proto::RowFileSchema& schema = file_->schema();
  const RowFileStreams& streams = file_->streams();
  std::vector<proto::RowFileColumn::Kind> kinds(headers_.size(), proto::RowFileColumn::NUMBER);
  std::vector<bool> listed(headers_.size(), false);
  for (std::size_t i = 0; i < streams.columns.size(); ++i) {
    const RowFileStreams::Column& column = streams.columns[i];
    kinds[column.values] = schema.column(static_cast<int>(i)).kind();
    if (column.counts < 0) continue;
    listed[column.values] = true;
    if (column.beside >= 0) listed[column.beside] = true;
  }
  const BlockEntry& entry = file_->block(block);
  std::uint64_t stored = head_.size(), payload = 0;
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    const StreamHeader& header = headers_[i];
    const std::uint64_t most = listed[i] ? std::uint64_t{entry.rows} * kMaxFeatures : entry.rows;
    if (!IsSound(header, kinds[i]) || header.values > most || (!listed[i] && header.values != entry.rows)) {
      return file_->Damaged(block, static_cast<int>(i), "its head can not be");
    }
    stored += header.stored_bytes;
    payload += header.payload_bytes;
  }
  if (stored == entry.stored_bytes && payload == entry.payload_bytes) return {};
  return Status::BadData(file_->path() + ": block " + std::to_string(block) + ": another size than the index says");
}

Status RowFileReader::CheckLists(const RowBlock& block) const {
  for (const RowFileStreams::Column& column : file_->streams().columns) {
    if (column.counts < 0 || !wanted_[column.counts]) continue;
    const bool beside = column.beside >= 0;
    if (beside && block.streams[column.beside].header.values != block.streams[column.values].header.values) {
      return file_->Damaged(block.index, column.beside, "another number of values than of tokens");
    }
  }
  return {};
}

Status RowFileReader::ReadStream(std::uint32_t block, int stream, std::uint64_t offset, std::byte* payload) {
  const StreamHeader& header = headers_[stream];
  const bool packed = header.stored_bytes < header.payload_bytes;
  if (packed) packed_.resize(header.stored_bytes);
  const std::span<std::byte> stored(packed ? packed_.data() : payload, header.stored_bytes);
  RETURN_IF_ERROR(bytes_->ReadAt(offset, stored));
  if (Crc32c(stored) != header.crc) return file_->Damaged(block, stream, "its checksum is wrong");
  if (!packed) return {};
  const std::size_t size = ZSTD_decompressDCtx(zstd_, payload, header.payload_bytes, stored.data(), stored.size());
  if (size == header.payload_bytes) return {};
  return file_->Damaged(block, stream, "it does not unpack to what it should");
}

}  // namespace sherd
