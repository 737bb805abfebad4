#include "ps/checkpoint_writer.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "ps/shard_file.h"

namespace sherd {
namespace {

class StoreWriter {
 public:
  StoreWriter(ShardStore* store, ShardFileWriter* writer) : store_(*store), writer_(writer) {}

  // Errors of writing come by the writer's outcome.
  Status Write() {
    for (Slot slot = store_.first_slot(); slot < store_.end_slot(); ++slot) {
      for (std::uint32_t table = 0; table < store_.tables(); ++table) RETURN_IF_ERROR(WriteRows(slot, table));
      const DenseBlocks& dense = store_.dense();
      for (std::size_t i = 0; i < dense.blocks().size(); ++i) {
        if (dense.blocks()[i].slot == slot) WriteDense(slot, i);
      }
    }
    return {};
  }

 private:
  Status WriteRows(Slot slot, std::uint32_t number) {
    const std::uint32_t bytes = store_.table(number).layout().row_bytes();
    RETURN_IF_ERROR(store_.table(number).ReadSlot(slot, &contents_));
    BlockHeader header{.table = number,
                       .kind = BlockKind::kRows,
                       .slot = slot,
                       .rows = 0,
                       .row_bytes = bytes,
                       .payload_bytes = 0,
                       .stored_bytes = 0,
                       .crc = 0};
    WritePairs(header, contents_.rows,
               [bytes](const std::byte* row, std::byte* place) { std::memcpy(place, row, bytes); });
    header.kind = BlockKind::kCandidates;
    header.row_bytes = sizeof(std::uint32_t);
    WritePairs(header, contents_.candidates,
               [](std::uint32_t sightings, std::byte* place) { std::memcpy(place, &sightings, sizeof(sightings)); });
    return {};
  }

  // Blocks of keys and what belongs to each.
  template <class T, class PutValue>
  void WritePairs(BlockHeader header, const std::vector<std::pair<Key, T>>& pairs, const PutValue& put) {
    const std::size_t most = RowsOfBlock(header.row_bytes);
    for (std::size_t first = 0; first < pairs.size(); first += most) {
      const std::span part = std::span(pairs).subspan(first, std::min(most, pairs.size() - first));
      header.rows = static_cast<std::uint32_t>(part.size());
      FileBlock* const block = Begin(header, part.size() * (sizeof(Key) + header.row_bytes));
      if (block == nullptr) return;
      std::byte* key = block->payload();
      std::byte* value = key + part.size() * sizeof(Key);
      for (const auto& pair : part) {
        std::memcpy(key, &pair.first, sizeof(Key));
        put(pair.second, value);
        key += sizeof(Key), value += header.row_bytes;
      }
      writer_->Give(block);
    }
  }

  void WriteDense(Slot slot, std::size_t number) {
    const DenseBlocks::Block& dense = store_.dense().blocks()[number];
    const std::span<const float> values = store_.dense().Values(number);
    const DenseHeader place{
        .tensor = dense.place.tensor, .first = dense.place.first, .length = dense.place.length, .unused = 0};
    FileBlock* const block = Begin({.table = kDenseTable,
                                    .kind = BlockKind::kDense,
                                    .slot = slot,
                                    .rows = 1,
                                    .row_bytes = static_cast<std::uint32_t>(values.size_bytes()),
                                    .payload_bytes = 0,
                                    .stored_bytes = 0,
                                    .crc = 0},
                                   sizeof(place) + values.size_bytes());
    if (block == nullptr) return;
    std::memcpy(block->payload(), &place, sizeof(place));
    std::memcpy(block->payload() + sizeof(place), values.data(), values.size_bytes());
    writer_->Give(block);
  }

  FileBlock* Begin(const BlockHeader& header, std::size_t bytes) {
    FileBlock* const block = writer_->Take(/*wait=*/true);
    if (block == nullptr) return nullptr;
    block->header = header;
    block->Reserve(bytes);
    block->bytes = bytes;
    return block;
  }

  ShardStore& store_;
  ShardFileWriter* const writer_;
  EmbeddingTable::SlotContents contents_;
};

}  // namespace

Result<proto::ShardFile> WriteShardFile(ShardStore* store, const std::string& dir) {
  return WriteShardFile(store, ShardFileWriter::Options{.dir = dir});
}

Result<proto::ShardFile> WriteShardFile(ShardStore* store, ShardFileWriter::Options options) {
  options.shard = store->shard();
  options.first_slot = store->first_slot();
  options.end_slot = store->end_slot();
  const auto writer = ShardFileWriter::Start(store->model(), std::move(options));
  RETURN_IF_ERROR(StoreWriter(store, writer.get()).Write());
  writer->Finish();
  return writer->Wait();
}

}  // namespace sherd
