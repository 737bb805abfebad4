#pragma once

#include <cstdint>
#include <vector>

#include "base/dense_layout.h"
#include "proto/model_spec.pb.h"

namespace sherd {

// The sizes of everything that a worker exchanges with the shards. Immutable.
struct ParameterLayout {
  ParameterLayout(const proto::ModelSpec& spec, std::uint32_t shard_count) : shards(shard_count), dense(spec) {
    for (const proto::TableSpec& table : spec.table()) {
      std::uint32_t floats = 0;
      for (const proto::SegmentSpec& segment : table.segment()) floats += segment.dim();
      row_floats.push_back(floats);
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      blocks.push_back(dense.BlocksOfShard(shard, shards));
      dense_floats.push_back(0);
      for (std::uint32_t block : blocks.back()) dense_floats.back() += dense.blocks()[block].length;
    }
  }

  const std::uint32_t shards;
  const DenseLayout dense;
  std::vector<std::uint32_t> row_floats;           // by table: floats of a row, all segments
  std::vector<std::vector<std::uint32_t>> blocks;  // by shard: the dense blocks it owns, ascending
  std::vector<std::uint32_t> dense_floats;         // by shard: floats of those blocks
};

}  // namespace sherd
