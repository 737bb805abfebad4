#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/partition.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/model_spec.pb.h"
#include "ps/shard_file.h"
#include "ps/slot_reader.h"

namespace sherd {

// Writes the file of a shard from the contents of its slots, one after the other: the bytes that the shard itself would
// write. Thread-compatible.
class SlotWriter {
 public:
  // The file of `shard` of `shards` in `dir`.
  static Result<std::unique_ptr<SlotWriter>> Create(const proto::ModelSpec& model, const std::string& dir,
                                                    std::uint32_t shard, std::uint32_t shards);

  // All that the next slot has, from the shard's first one on.
  Status Write(const SlotContents& contents);
  // After the last slot: on disk for good.
  Result<proto::ShardFile> Finish();

 private:
  SlotWriter(std::unique_ptr<FileWriter> file, Slot first_slot) : file_(std::move(file)), first_slot_(first_slot) {}
  Status WriteHeader(const proto::ModelSpec& model, Slot end_slot);
  Status WritePairs(BlockHeader header, std::span<const Key> keys, std::span<const std::byte> values);
  Status WriteDense(Slot slot, const SlotContents::DenseBlock& block);
  Status WriteBlock(BlockHeader header);

  const std::unique_ptr<FileWriter> file_;
  const Slot first_slot_;
  std::string name_;
  std::vector<SlotEntry> index_;
  std::vector<std::byte> payload_;
  std::vector<std::uint32_t> row_bytes_;
  std::uint64_t rows_ = 0;
};

}  // namespace sherd
