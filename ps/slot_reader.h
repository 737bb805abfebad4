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

// What a checkpoint has of one slot, whatever files it stands in. Keys of a kind stand in the order of ComesBefore.
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

// Reads a checkpoint slot by slot, full files and what deltas have changed of them as one, in the memory of one slot.
// Thread-compatible.
class SlotReader {
 public:
  // NotFound, BadData, and Io name the file.
  static Result<std::unique_ptr<SlotReader>> Open(const std::string& dir);

  const proto::Manifest& manifest() const { return manifest_; }
  // As the files have it.
  const proto::ModelSpec& model() const { return files_.front()->model(); }
  // BadData names file, block and slot.
  Status Read(Slot slot, SlotContents* contents);

 private:
  // Of one file.
  struct Part {
    SlotContents contents;
    std::vector<std::vector<Key>> deleted;  // by table
  };
  class Gatherer;

  explicit SlotReader(proto::Manifest manifest) : manifest_(std::move(manifest)) {}
  Status OpenFiles(const std::string& dir);
  Status ReadPart(ShardFileReader* file, Slot slot, Part* part) const;
  void Change(const Part& change, SlotContents* contents);

  const proto::Manifest manifest_;
  std::vector<std::unique_ptr<ShardFileReader>> files_;  // as the manifest has them
  std::vector<std::uint32_t> row_bytes_;                 // by table
  Part part_;
  SlotContents::Table merged_;
};

}  // namespace sherd
