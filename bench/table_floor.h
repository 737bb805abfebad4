#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/bench_case.h"
#include "bench/key_stream.h"

namespace sherd::bench {

// Zeroed memory on huge pages, from the operating system and back to it. Move-only.
class HugeMemory {
 public:
  explicit HugeMemory(std::size_t bytes);
  float* data() const { return memory_.get(); }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(float* memory) const;
  };
  std::unique_ptr<float, Unmap> memory_;
};

// What a table's memory traffic costs without a table: as many bytes of index, of which each key touches one cache line
// at a known place, and rows laid out as the table's are (`dim` weights and a row-wise Adagrad's sum), each at a known
// number; a copy touches the weights' lines, a step the sum's too. No hashing, no comparing, no choice of optimizer.
// Thread-compatible.
class FloorRows {
 public:
  // How many keys ahead rows are prefetched, index lines twice as far: which is best is for the machine to say.
  static constexpr std::size_t kAheads[] = {4, 8, 16, 32, 64};

  enum class Touch { kAtOnce, kWhenUsed };  // when the operating system gives the rows' memory
  FloorRows(std::uint64_t rows, std::uint32_t dim, Touch touch = Touch::kAtOnce);

  // Lines of an index of 12-byte entries, five a line, four fifths full.
  static std::uint64_t IndexLines(std::uint64_t rows) { return rows / 4 + 1; }

  // Copies the weights of each row to `out`, [keys, dim].
  void Copy(const KeyBatch& batch, std::size_t ahead, float* out);
  // One step of row-wise Adagrad on each row by `gradients`, [keys, dim].
  void Step(const KeyBatch& batch, std::size_t ahead, const float* gradients);
  // Writes first weights into rows that are new.
  void Write(const KeyBatch& batch, std::size_t ahead, const float* weights);

  std::uint64_t touched() const { return touched_; }  // so that no touch of the index is optimised away

 private:
  const std::uint32_t dim_;
  HugeMemory index_, rows_;
  std::uint64_t touched_ = 0;
};

}  // namespace sherd::bench
