#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/partition.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "ps/shard_file_reader.h"

namespace sherd {

// What a checkpoint has of one slot, whatever files it stands in. Rows and candidates stand by ascending FileOrder.
struct SlotContents {
  struct Table {
    std::vector<Key> keys;
    std::vector<std::byte> rows;  // [keys, row bytes], as the model's storage lays them out
    std::vector<Key> candidates;
    std::vector<std::uint32_t> sightings;  // [candidates]
  };
  struct DenseBlock {
    std::uint32_t tensor, first, length;
    std::vector<float> values;  // weights, then state
  };
  std::vector<Table> tables;      // by number in the model
  std::vector<DenseBlock> dense;  // by (tensor, first)
};

// Where a key stands among those of its slot.
constexpr std::uint64_t FileOrder(Key key) { return key; }

// Reads a checkpoint slot by slot, in the memory of one slot. Thread-compatible.
class SlotReader {
 public:
  // Errors as CheckpointReader's.
  static Result<std::unique_ptr<SlotReader>> Open(const std::string& dir);

  const proto::Manifest& manifest() const { return manifest_; }
  // As the files have it.
  const proto::ModelSpec& model() const { return files_.front()->model(); }
  Status Read(Slot slot, SlotContents* contents);

 private:
  explicit SlotReader(proto::Manifest manifest) : manifest_(std::move(manifest)) {}

  const proto::Manifest manifest_;
  std::vector<std::unique_ptr<ShardFileReader>> files_;
  std::vector<std::uint32_t> row_bytes_;  // by table
};

}  // namespace sherd
