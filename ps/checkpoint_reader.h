#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "proto/checkpoint.pb.h"
#include "ps/row_layout.h"
#include "ps/shard_file_reader.h"

namespace sherd {

// What a checkpoint holds of one slot.
struct CheckpointSlot {
  struct Table {
    std::vector<Key> keys, candidates;  // each by ascending Mix(key)
    std::vector<std::byte> rows;        // [keys, row bytes]
    std::vector<std::uint32_t> sightings;
  };
  struct Dense {
    std::uint32_t tensor, first, length;
    std::vector<float> values;  // weights, then state
  };
  std::vector<Table> tables;  // as the model has them
  std::vector<Dense> dense;   // by tensor, then first
};

// A whole checkpoint as one, for tools and tests: the files of all shards, and each full one with the deltas since, as
// if they were a single full one. One slot is in memory at a time, and 64 MB of buffers. Thread-compatible.
class CheckpointReader {
 public:
  // A row is its weights and then its optimizer state.
  using RowFunction = std::function<Status(Key key, std::span<const float> row)>;
  using DenseFunction = std::function<Status(std::uint32_t tensor, std::uint32_t first, std::uint32_t length,
                                             std::span<const float> values)>;

  // Every file of the manifest is opened and must be the one that it describes.
  static Result<std::unique_ptr<CheckpointReader>> Open(const std::string& dir);

  const proto::Manifest& manifest() const { return manifest_; }
  // As the files have it.
  const proto::ModelSpec& model() const { return files_.front()->model(); }
  const RowLayout& layout(std::uint32_t table) const { return layouts_[table]; }
  // In the manifest's order.
  std::span<const std::unique_ptr<ShardFileReader>> files() const { return files_; }

  // All slots in order, with every byte of every file and its checksums: rows and candidates by ascending Mix(key), in
  // blocks of any size, none deleted. The same sequence for equal contents, however many shards wrote them.
  Status ForEachSlot(ShardFileVisitor* visitor);
  // The rows of a table, in that order.
  Status ForEachRow(std::uint32_t table, const RowFunction& function);
  // By ascending slot, then block.
  Status ForEachDenseBlock(const DenseFunction& function);

  Status ReadSlot(Slot slot, CheckpointSlot* contents);

  struct KeyContents {
    std::vector<std::byte> row;   // empty: there is none
    std::uint32_t sightings = 0;  // of a candidate
  };
  // Reads the key's slot of the files that have it.
  Result<KeyContents> Find(std::uint32_t table, Key key);

 private:
  explicit CheckpointReader(proto::Manifest manifest) : manifest_(std::move(manifest)) {}
  // In reading order.
  std::vector<ShardFileReader*> FilesOf(Slot slot) const;

  const proto::Manifest manifest_;
  std::vector<std::unique_ptr<ShardFileReader>> files_;
  std::vector<RowLayout> layouts_;
};

}  // namespace sherd
