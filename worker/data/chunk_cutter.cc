#include "worker/data/chunk_cutter.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "worker/data/shuffle.h"

namespace sherd {
namespace {
constexpr std::uint64_t kChunksPerWorker = 8;
}  // namespace

std::uint64_t ChunkCutter::MinibatchesPerChunk(std::uint64_t minibatches) const {
  const std::uint64_t chunks = kChunksPerWorker * std::max<std::uint32_t>(workers_, 1);
  return std::clamp<std::uint64_t>(minibatches / chunks, 1, std::max<std::uint32_t>(max_minibatches_, 1));
}

void ChunkCutter::CutRows(std::uint32_t file, std::uint64_t rows, std::uint64_t rows_per_chunk) {
  AddEven(file, 0, rows, rows_per_chunk, true);
}

void ChunkCutter::CutBytes(std::uint32_t file, std::uint64_t begin, std::uint64_t end, std::uint64_t bytes_per_chunk) {
  AddEven(file, begin, end, bytes_per_chunk, false);
}

void ChunkCutter::AddEven(std::uint32_t file, std::uint64_t begin, std::uint64_t end, std::uint64_t most,
                          bool in_memory) {
  if (begin >= end) return;
  const std::uint64_t chunks = (end - begin + most - 1) / most;
  const std::uint64_t length = (end - begin) / chunks, longer = (end - begin) % chunks;  // these have one more
  for (std::uint64_t i = 0; i < chunks; ++i) {
    const std::uint64_t next = begin + length + (i < longer);
    Add(file, begin, next, in_memory);
    begin = next;
  }
}

void ChunkCutter::AddWhole(std::uint32_t file) { Add(file, 0, std::numeric_limits<std::uint64_t>::max(), false); }

void ChunkCutter::Add(std::uint32_t file, std::uint64_t begin, std::uint64_t end, bool in_memory) {
  proto::Chunk& chunk = chunks_.emplace_back();
  chunk.set_set(set_);
  chunk.set_file(file);
  chunk.set_begin(begin);
  chunk.set_end(end);
  chunk.set_in_memory(in_memory);
}

std::vector<proto::Chunk> ChunkCutter::InOrder() && {
  for (std::size_t i = 0; i < chunks_.size(); ++i) chunks_[i].set_id(i);
  return std::move(chunks_);
}

std::vector<proto::Chunk> ChunkCutter::Shuffled(std::uint64_t seed) && {
  Shuffle(seed, std::span(chunks_));
  return std::move(*this).InOrder();
}

}  // namespace sherd
