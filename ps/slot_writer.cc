#include "ps/slot_writer.h"

#include <algorithm>
#include <cstring>

#include "ps/row_layout.h"

namespace sherd {

Result<std::unique_ptr<SlotWriter>> SlotWriter::Create(const proto::ModelSpec& model, const Options& options) {
  const Slot first = FirstSlot(options.shard, options.shards), end = FirstSlot(options.shard + 1, options.shards);
  std::vector<std::uint32_t> row_bytes;
  for (const proto::TableSpec& table : model.table()) {
    ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(table));
    row_bytes.push_back(layout.row_bytes());
  }
  std::unique_ptr<SlotWriter> writer(new SlotWriter(ShardFileWriter::Start(model, {.dir = options.dir,
                                                                                   .shard = options.shard,
                                                                                   .first_slot = first,
                                                                                   .end_slot = end,
                                                                                   .delta = false,
                                                                                   .compress = options.compress,
                                                                                   .wake = {}}),
                                                    first));
  writer->row_bytes_ = std::move(row_bytes);
  return writer;
}

Status SlotWriter::Write(const CheckpointSlot& contents) {
  for (std::uint32_t i = 0; i < contents.tables.size(); ++i) {
    const CheckpointSlot::Table& table = contents.tables[i];
    BlockHeader header{};
    header.table = i;
    header.slot = slot_;
    header.kind = BlockKind::kRows;
    header.row_bytes = row_bytes_[i];
    RETURN_IF_ERROR(WritePairs(header, table.keys, table.rows));
    header.kind = BlockKind::kCandidates;
    header.row_bytes = sizeof(std::uint32_t);
    RETURN_IF_ERROR(WritePairs(header, table.candidates, std::as_bytes(std::span(table.sightings))));
  }
  for (const CheckpointSlot::Dense& block : contents.dense) RETURN_IF_ERROR(WriteDense(block));
  ++slot_;
  return {};
}

Status SlotWriter::WritePairs(BlockHeader header, std::span<const Key> keys, std::span<const std::byte> values) {
  const std::size_t most = RowsOfBlock(header.row_bytes);
  for (std::size_t first = 0; first < keys.size(); first += most) {
    const auto some = keys.subspan(first, std::min(most, keys.size() - first));
    header.rows = static_cast<std::uint32_t>(some.size());
    RETURN_IF_ERROR(WriteBlock(header, std::as_bytes(some),
                               values.subspan(first * header.row_bytes, some.size() * header.row_bytes)));
  }
  return {};
}

Status SlotWriter::WriteDense(const CheckpointSlot::Dense& block) {
  const DenseHeader place{.tensor = block.tensor, .first = block.first, .length = block.length, .unused = 0};
  BlockHeader header{};
  header.table = kDenseTable;
  header.slot = slot_;
  header.kind = BlockKind::kDense;
  header.rows = 1;
  header.row_bytes = static_cast<std::uint32_t>(block.values.size() * sizeof(float));
  return WriteBlock(header, std::as_bytes(std::span(&place, 1)), std::as_bytes(std::span(block.values)));
}

Status SlotWriter::WriteBlock(const BlockHeader& header, std::span<const std::byte> begin,
                              std::span<const std::byte> rest) {
  FileBlock* const block = file_->Take(/*wait=*/true);
  if (block == nullptr) return file_->Outcome()->status();
  block->header = header;
  block->bytes = begin.size() + rest.size();
  std::byte* const payload = block->Reserve(block->bytes).data();
  std::memcpy(payload, begin.data(), begin.size());
  std::memcpy(payload + begin.size(), rest.data(), rest.size());
  file_->Give(block);
  return {};
}

Result<proto::ShardFile> SlotWriter::Finish() {
  file_->Finish();
  return file_->Wait();
}

}  // namespace sherd
