#include "ps/checkpoint_writer.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "ps/shard_file.h"

namespace sherd {
namespace {

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

template <typename T>
void Put(const T* values, std::size_t count, std::vector<std::byte>* bytes) {
  const std::size_t size = bytes->size();
  bytes->resize(size + count * sizeof(T));
  std::memcpy(bytes->data() + size, values, count * sizeof(T));
}

class ShardFileWriter {
 public:
  ShardFileWriter(ShardStore* store, FileWriter* file) : store_(*store), file_(file) {}

  Status Write() {
    RETURN_IF_ERROR(WriteHeader());
    for (Slot slot = store_.first_slot(); slot < store_.end_slot(); ++slot) {
      const std::uint64_t begin = file_->size();
      RETURN_IF_ERROR(WriteSlot(slot));
      index_.push_back({.offset = begin, .bytes = file_->size() - begin});
    }
    return WriteIndex();
  }

  std::uint64_t rows() const { return rows_; }

 private:
  Status WriteHeader() {
    const std::string spec = store_.model().SerializeAsString();
    FileHeader header{.magic = {},
                      .version = kShardFileVersion,
                      .first_slot = store_.first_slot(),
                      .end_slot = store_.end_slot(),
                      .spec_bytes = static_cast<std::uint32_t>(spec.size()),
                      .spec_crc = Crc32c(std::as_bytes(std::span(spec))),
                      .crc = 0};
    std::memcpy(header.magic, kShardFileMagic, sizeof(header.magic));
    header.crc = Crc32c(BytesOf(header).first(offsetof(FileHeader, crc)));
    RETURN_IF_ERROR(file_->Append(BytesOf(header)));
    return file_->Append(std::as_bytes(std::span(spec)));
  }

  Status WriteSlot(Slot slot) {
    for (std::uint32_t table = 0; table < store_.tables(); ++table) RETURN_IF_ERROR(WriteRows(slot, table));
    const DenseBlocks& dense = store_.dense();
    for (std::size_t i = 0; i < dense.blocks().size(); ++i) {
      if (dense.blocks()[i].slot == slot) RETURN_IF_ERROR(WriteDense(slot, i));
    }
    return {};
  }

  Status WriteRows(Slot slot, std::uint32_t number) {
    const std::uint32_t bytes = store_.table(number).layout().row_bytes();
    RETURN_IF_ERROR(store_.table(number).ReadSlot(slot, &contents_));
    rows_ += contents_.rows.size();
    const auto put_row = [&](const std::byte* row) { Put(row, bytes, &payload_); };
    RETURN_IF_ERROR(
        WritePairs({.table = number, .slot = slot, .rows = 0, .row_bytes = bytes, .payload_bytes = 0, .crc = 0},
                   contents_.rows, put_row));
    const auto put_count = [&](std::uint32_t count) { Put(&count, 1, &payload_); };
    return WritePairs(
        {.table = number | kCandidates, .slot = slot, .rows = 0, .row_bytes = 4, .payload_bytes = 0, .crc = 0},
        contents_.candidates, put_count);
  }

  // Blocks of keys and what belongs to each.
  template <class T, class PutValue>
  Status WritePairs(BlockHeader header, const std::vector<std::pair<Key, T>>& pairs, const PutValue& put) {
    const std::size_t most = std::max<std::size_t>(1, kBlockBytes / (sizeof(Key) + header.row_bytes));
    for (std::size_t first = 0; first < pairs.size(); first += most) {
      const std::span part = std::span(pairs).subspan(first, std::min(most, pairs.size() - first));
      payload_.clear();
      for (const auto& pair : part) Put(&pair.first, 1, &payload_);
      for (const auto& pair : part) put(pair.second);
      header.rows = static_cast<std::uint32_t>(part.size());
      RETURN_IF_ERROR(WriteBlock(header));
    }
    return {};
  }

  Status WriteDense(Slot slot, std::size_t number) {
    const DenseBlocks::Block& block = store_.dense().blocks()[number];
    const DenseHeader header{
        .tensor = block.place.tensor, .first = block.place.first, .length = block.place.length, .unused = 0};
    payload_.clear();
    Put(&header, 1, &payload_);
    Put(store_.dense().Values(number).data(), block.floats, &payload_);
    return WriteBlock(
        {.table = kDenseTable, .slot = slot, .rows = 1, .row_bytes = block.floats * 4, .payload_bytes = 0, .crc = 0});
  }

  Status WriteBlock(BlockHeader header) {
    header.payload_bytes = static_cast<std::uint32_t>(payload_.size());
    header.crc = Crc32c(payload_, Crc32c(BytesOf(header).first(offsetof(BlockHeader, crc))));
    RETURN_IF_ERROR(file_->Append(BytesOf(header)));
    return file_->Append(payload_);
  }

  Status WriteIndex() {
    const std::span<const std::byte> index = std::as_bytes(std::span(index_));
    FileFooter footer{.index_offset = file_->size(), .rows = rows_, .index_crc = Crc32c(index), .crc = 0, .magic = {}};
    std::memcpy(footer.magic, kShardFileEnd, sizeof(footer.magic));
    footer.crc = Crc32c(BytesOf(footer).first(offsetof(FileFooter, crc)));
    RETURN_IF_ERROR(file_->Append(index));
    return file_->Append(BytesOf(footer));
  }

  ShardStore& store_;
  FileWriter* const file_;
  std::vector<SlotEntry> index_;
  EmbeddingTable::SlotContents contents_;
  std::vector<std::byte> payload_;
  std::uint64_t rows_ = 0;
};

}  // namespace

std::string ShardFileName(std::uint32_t shard) { return "shard-" + std::to_string(shard) + ".sherd"; }

Result<proto::ShardFile> WriteShardFile(ShardStore* store, const std::string& dir) {
  RETURN_IF_ERROR(MakeDirectory(dir));
  const std::string name = ShardFileName(store->shard());
  ASSIGN_OR_RETURN(auto file, FileWriter::Create(JoinPath(dir, name)));
  ShardFileWriter writer(store, file.get());
  RETURN_IF_ERROR(writer.Write());
  RETURN_IF_ERROR(file->Finish());
  proto::ShardFile description;
  description.set_name(name);
  description.set_bytes(file->size());
  description.set_crc(file->crc());
  description.set_first_slot(store->first_slot());
  description.set_end_slot(store->end_slot());
  description.set_rows(writer.rows());
  return description;
}

}  // namespace sherd
