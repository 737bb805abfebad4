#pragma once

#include <cstdint>
#include <vector>

#include "proto/checkpoint.pb.h"

namespace sherd {

// Rows of a minibatch when a chunk's rows are dealt evenly to as few minibatches as they fill: no minibatch is left
// with a few rows, whose mean gradient would be all noise to an optimizer that remembers squares.
constexpr std::uint64_t EvenRows(std::uint64_t rows, std::uint64_t most) {
  if (rows <= most) return most;
  const std::uint64_t minibatches = (rows + most - 1) / most;
  return (rows + minibatches - 1) / minibatches;
}

// How a set is cut: into chunks of whole minibatches, as long as they may be but short enough that each of the workers
// has about eight of them.
class ChunkCutter {
 public:
  ChunkCutter(proto::Chunk::Set set, std::uint32_t workers, std::uint32_t max_minibatches)
      : set_(set), workers_(workers), max_minibatches_(max_minibatches) {}

  // Minibatches of each chunk, for a set that makes so many.
  std::uint64_t MinibatchesPerChunk(std::uint64_t minibatches) const;
  // Chunks of about equal length, at most `rows_per_chunk` each, of a file held in memory.
  void CutRows(std::uint32_t file, std::uint64_t rows, std::uint64_t rows_per_chunk);
  // Chunks of about equal length, at most `bytes_per_chunk` each, of a file that is streamed.
  void CutBytes(std::uint32_t file, std::uint64_t begin, std::uint64_t end, std::uint64_t bytes_per_chunk);
  // A part of a file that is streamed.
  void AddStreamed(std::uint32_t file, std::uint64_t begin, std::uint64_t end) { Add(file, begin, end, false); }
  // A file that can only be read from its beginning is one chunk.
  void AddWhole(std::uint32_t file);

  // The chunks, numbered in the order they were cut.
  std::vector<proto::Chunk> InOrder() &&;
  // Numbered in an order that depends on the seed alone.
  std::vector<proto::Chunk> Shuffled(std::uint64_t seed) &&;

 private:
  void AddEven(std::uint32_t file, std::uint64_t begin, std::uint64_t end, std::uint64_t most, bool in_memory);
  void Add(std::uint32_t file, std::uint64_t begin, std::uint64_t end, bool in_memory);

  const proto::Chunk::Set set_;
  const std::uint32_t workers_, max_minibatches_;
  std::vector<proto::Chunk> chunks_;
};

}  // namespace sherd
