#include "ps/slot_writer.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "ps/row_layout.h"

namespace sherd {
namespace {

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

Result<std::unique_ptr<SlotWriter>> SlotWriter::Create(const proto::ModelSpec& model, const std::string& dir,
                                                       std::uint32_t shard, std::uint32_t shards) {
  const std::string name = ShardFileName(shard);
  ASSIGN_OR_RETURN(auto file, FileWriter::Create(JoinPath(dir, name)));
  std::unique_ptr<SlotWriter> writer(new SlotWriter(std::move(file), FirstSlot(shard, shards)));
  writer->name_ = name;
  for (const proto::TableSpec& table : model.table()) {
    ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(table));
    writer->row_bytes_.push_back(layout.row_bytes());
  }
  RETURN_IF_ERROR(writer->WriteHeader(model, FirstSlot(shard + 1, shards)));
  return writer;
}

Status SlotWriter::WriteHeader(const proto::ModelSpec& model, Slot end_slot) {
  const std::string spec = model.SerializeAsString();
  FileHeader header{.magic = {},
                    .version = kShardFileVersion,
                    .first_slot = first_slot_,
                    .end_slot = end_slot,
                    .spec_bytes = static_cast<std::uint32_t>(spec.size()),
                    .spec_crc = Crc32c(std::as_bytes(std::span(spec))),
                    .crc = 0};
  std::memcpy(header.magic, kShardFileMagic, sizeof(header.magic));
  header.crc = Crc32c(BytesOf(header).first(offsetof(FileHeader, crc)));
  RETURN_IF_ERROR(file_->Append(BytesOf(header)));
  return file_->Append(std::as_bytes(std::span(spec)));
}

Status SlotWriter::Write(const SlotContents& contents) {
  const Slot slot = first_slot_ + static_cast<Slot>(index_.size());
  const std::uint64_t begin = file_->size();
  for (std::uint32_t i = 0; i < contents.tables.size(); ++i) {
    const SlotContents::Table& table = contents.tables[i];
    rows_ += table.keys.size();
    BlockHeader header{.table = i, .slot = slot, .rows = 0, .row_bytes = row_bytes_[i], .payload_bytes = 0, .crc = 0};
    RETURN_IF_ERROR(WritePairs(header, table.keys, table.rows));
    header.table |= kCandidates;
    header.row_bytes = sizeof(std::uint32_t);
    RETURN_IF_ERROR(WritePairs(header, table.candidates, std::as_bytes(std::span(table.sightings))));
  }
  for (const SlotContents::DenseBlock& block : contents.dense) RETURN_IF_ERROR(WriteDense(slot, block));
  index_.push_back({.offset = begin, .bytes = file_->size() - begin});
  return {};
}

Status SlotWriter::WritePairs(BlockHeader header, std::span<const Key> keys, std::span<const std::byte> values) {
  const std::size_t most = std::max<std::size_t>(1, kBlockBytes / (sizeof(Key) + header.row_bytes));
  for (std::size_t first = 0; first < keys.size(); first += most) {
    const auto some = std::as_bytes(keys.subspan(first, std::min(most, keys.size() - first)));
    header.rows = static_cast<std::uint32_t>(some.size() / sizeof(Key));
    const auto rows = values.subspan(first * header.row_bytes, std::size_t{header.rows} * header.row_bytes);
    payload_.assign(some.begin(), some.end());
    payload_.insert(payload_.end(), rows.begin(), rows.end());
    RETURN_IF_ERROR(WriteBlock(header));
  }
  return {};
}

Status SlotWriter::WriteDense(Slot slot, const SlotContents::DenseBlock& block) {
  const DenseHeader header{.tensor = block.tensor, .first = block.first, .length = block.length, .unused = 0};
  const auto head = BytesOf(header), values = std::as_bytes(std::span(block.values));
  payload_.assign(head.begin(), head.end());
  payload_.insert(payload_.end(), values.begin(), values.end());
  return WriteBlock({.table = kDenseTable,
                     .slot = slot,
                     .rows = 1,
                     .row_bytes = static_cast<std::uint32_t>(values.size()),
                     .payload_bytes = 0,
                     .crc = 0});
}

Status SlotWriter::WriteBlock(BlockHeader header) {
  header.payload_bytes = static_cast<std::uint32_t>(payload_.size());
  header.crc = Crc32c(payload_, Crc32c(BytesOf(header).first(offsetof(BlockHeader, crc))));
  RETURN_IF_ERROR(file_->Append(BytesOf(header)));
  return file_->Append(payload_);
}

Result<proto::ShardFile> SlotWriter::Finish() {
  const auto index = std::as_bytes(std::span(index_));
  FileFooter footer{.index_offset = file_->size(), .rows = rows_, .index_crc = Crc32c(index), .crc = 0, .magic = {}};
  std::memcpy(footer.magic, kShardFileEnd, sizeof(footer.magic));
  footer.crc = Crc32c(BytesOf(footer).first(offsetof(FileFooter, crc)));
  RETURN_IF_ERROR(file_->Append(index));
  RETURN_IF_ERROR(file_->Append(BytesOf(footer)));
  RETURN_IF_ERROR(file_->Finish());
  proto::ShardFile description;
  description.set_name(name_);
  description.set_bytes(file_->size());
  description.set_crc(file_->crc());
  description.set_first_slot(first_slot_);
  description.set_end_slot(first_slot_ + static_cast<Slot>(index_.size()));
  description.set_rows(rows_);
  return description;
}

}  // namespace sherd
