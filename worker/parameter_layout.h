#pragma once

#include <cstdint>
#include <vector>

#include "base/dense_layout.h"
#include "net/value_codec.h"
#include "proto/model_spec.pb.h"

namespace sherd {

// The sizes of everything that a worker exchanges with the shards. Immutable.
struct ParameterLayout {
  ParameterLayout(const proto::ModelSpec& spec, std::uint32_t shard_count) : shards(shard_count), dense(spec) {
    for (const proto::TableSpec& table : spec.table()) {
      row_codecs.push_back(ValueCodec::OfRow(table));
      row_floats.push_back(static_cast<std::uint32_t>(row_codecs.back().floats()));
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      blocks.push_back(dense.BlocksOfShard(shard, shards));
      std::vector<DenseBlock> owned;
      for (const std::uint32_t block : blocks.back()) owned.push_back(dense.blocks()[block]);
      dense_codecs.push_back(ValueCodec::OfBlocks(spec, owned));
      dense_floats.push_back(static_cast<std::uint32_t>(dense_codecs.back().floats()));
    }
  }

  const std::uint32_t shards;
  const DenseLayout dense;
  std::vector<std::uint32_t> row_floats;           // by table: floats of a row, all segments
  std::vector<std::vector<std::uint32_t>> blocks;  // by shard: the dense blocks it owns, ascending
  std::vector<std::uint32_t> dense_floats;         // by shard: floats of those blocks
  std::vector<ValueCodec> row_codecs;              // by table
  std::vector<ValueCodec> dense_codecs;            // by shard
};

}  // namespace sherd
