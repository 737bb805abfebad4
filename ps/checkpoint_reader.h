#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "ps/shard_file_reader.h"
#include "ps/shard_store.h"

namespace sherd {

// Fills a shard from the checkpoint in `dir`, whatever number of shards wrote it: what the shard held is dropped, and
// of the files only the slots that it owns are read. Tables and tensors are found by name and must have the same
// segments, sizes and state. After an error the shard holds nothing that may be served. NotFound, BadData, and Io name
// the file, and the block and the slot where it is one of these.
Status LoadShard(const std::string& dir, ShardStore* store);

// What a checkpoint holds of one slot.
struct CheckpointSlot {
  struct Table {
    std::vector<Key> keys, candidates;
    std::vector<std::byte> rows;  // [keys, row bytes]
    std::vector<std::uint32_t> sightings;
  };
  struct Dense {
    std::uint32_t tensor, first, length;
    std::vector<float> values;  // weights, then state
  };
  std::vector<Table> tables;  // as the model has them
  std::vector<Dense> dense;
};

// A whole checkpoint, all its files as one, for tools and tests. Thread-compatible.
class CheckpointReader {
 public:
  // A row is its weights and then its optimizer state.
  using RowFunction = std::function<Status(Key key, std::span<const float> row)>;
  using DenseFunction = std::function<Status(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                                             std::span<const float> values)>;

  static Result<std::unique_ptr<CheckpointReader>> Open(const std::string& dir);

  const proto::Manifest& manifest() const { return manifest_; }
  // As the files have it.
  const proto::ModelSpec& model() const;

  Status ReadSlot(Slot slot, CheckpointSlot* contents);
  // The rows of a table by ascending slot and, within one, ascending key: the same sequence for equal contents, however
  // many shards wrote them.
  Status ForEachRow(std::uint32_t table, const RowFunction& function);
  // By ascending slot, then block.
  Status ForEachDenseBlock(const DenseFunction& function);

 private:
  explicit CheckpointReader(proto::Manifest manifest) : manifest_(std::move(manifest)) {}
  Status ForEachSlot(ShardFileVisitor* visitor);

  const proto::Manifest manifest_;
  std::vector<std::unique_ptr<ShardFileReader>> files_;  // by first slot; together they cover all slots
};

}  // namespace sherd
