#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/partition.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "proto/model_spec.pb.h"
#include "ps/checkpoint_reader.h"
#include "ps/shard_file_writer.h"

namespace sherd {

// Writes the full file of a shard from the contents of its slots, one after the other: the bytes that the shard itself
// would write. Without Finish nothing is left of it. Thread-compatible.
class SlotWriter {
 public:
  struct Options {
    std::string dir;
    std::uint32_t shard = 0, shards = 1;
    bool compress = false;
  };
  // Invalid: the model can not be served.
  static Result<std::unique_ptr<SlotWriter>> Create(const proto::ModelSpec& model, const Options& options);

  // All that the next slot has, from the shard's first one on. Errors may come with a later call.
  Status Write(const CheckpointSlot& contents);
  // After the last slot: on disk for good.
  Result<proto::ShardFile> Finish();

 private:
  SlotWriter(std::unique_ptr<ShardFileWriter> file, Slot first_slot) : file_(std::move(file)), slot_(first_slot) {}
  Status WritePairs(BlockHeader header, std::span<const Key> keys, std::span<const std::byte> values);
  Status WriteDense(const CheckpointSlot::Dense& block);
  // Gives a block of two parts.
  Status WriteBlock(const BlockHeader& header, std::span<const std::byte> begin, std::span<const std::byte> rest);

  const std::unique_ptr<ShardFileWriter> file_;
  Slot slot_;
  std::vector<std::uint32_t> row_bytes_;
};

}  // namespace sherd
