#include "bench/table_floor.h"

#include <glog/logging.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sherd::bench {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kLineFloats = 16;
constexpr float kRate = 0.02f, kEpsilon = 1e-10f;

// Rows as a table has them: the weights of kBlockRows rows side by side, then their sums.
struct Memory {
  static constexpr std::size_t kBlockRows = 16;

  float* index;
  float* rows;
  std::size_t dim;

  float* Block(std::uint32_t row) const { return rows + row / kBlockRows * kBlockRows * (dim + 1); }
  float* Weights(std::uint32_t row) const { return Block(row) + row % kBlockRows * dim; }
  float* Sum(std::uint32_t row) const { return Block(row) + kBlockRows * dim + row % kBlockRows; }
};

// The loop that all floors share; work(weights, sum, i) is done at each key's row. kDim: known when compiling, or 0.
template <std::size_t kDim, bool kSums, class Work>
[[gnu::always_inline]] inline std::uint64_t Visit(const Memory& given, const KeyBatch& batch, std::size_t ahead,
                                                  const Work& work) {
  const Memory memory{given.index, given.rows, kDim == 0 ? given.dim : kDim};
  const std::size_t n = batch.rows.size();
  std::uint64_t touched = 0;
  for (std::size_t i = 0; i < n; ++i) {
    // Beyond the end the last key's places are prefetched again, which costs less than to ask.
    __builtin_prefetch(memory.index + std::size_t{batch.lines[std::min(i + 2 * ahead, n - 1)]} * kLineFloats);
    const std::uint32_t next = batch.rows[std::min(i + ahead, n - 1)];
    for (std::size_t k = 0; k < memory.dim; k += kLineFloats) __builtin_prefetch(memory.Weights(next) + k);
    if (memory.dim % kLineFloats != 0) __builtin_prefetch(memory.Weights(next) + memory.dim - 1);
    if (kSums) __builtin_prefetch(memory.Sum(next));
    std::uint32_t word;
    std::memcpy(&word, memory.index + std::size_t{batch.lines[i]} * kLineFloats, sizeof(word));
    touched += word;
    work(memory.Weights(batch.rows[i]), memory.Sum(batch.rows[i]), i);
  }
  return touched;
}

template <std::size_t kDim>
[[gnu::always_inline]] inline std::uint64_t CopyRows(const Memory& memory, const KeyBatch& batch, std::size_t ahead,
                                                     float* out) {
  const std::size_t dim = kDim == 0 ? memory.dim : kDim;
  return Visit<kDim, false>(
      memory, batch, ahead, [=](const float* row, const float*, std::size_t i) __attribute__((always_inline)) {
        std::memcpy(out + i * dim, row, dim * sizeof(float));
      });
}

template <std::size_t kDim>
[[gnu::always_inline]] inline std::uint64_t StepRows(const Memory& memory, const KeyBatch& batch, std::size_t ahead,
                                                     const float* gradients) {
  const std::size_t dim = kDim == 0 ? memory.dim : kDim;
  return Visit<kDim, true>(
      memory, batch, ahead, [=](float* row, float* sum, std::size_t i) __attribute__((always_inline)) {
        const float* g = gradients + i * dim;
        float sums[8] = {};
        std::size_t k = 0;
        for (; k + 8 <= dim; k += 8) {
          for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += g[k + lane] * g[k + lane];
        }
        for (; k < dim; ++k) sums[0] += g[k] * g[k];
        const float squares = ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
        *sum += squares / static_cast<float>(dim);
        const float step = kRate / (std::sqrt(*sum) + kEpsilon);
        for (k = 0; k < dim; ++k) row[k] -= step * g[k];
      });
}

std::uint64_t CopyRowsPlain(const Memory& m, const KeyBatch& batch, std::size_t ahead, float* out) {
  return m.dim == 16 ? CopyRows<16>(m, batch, ahead, out) : CopyRows<0>(m, batch, ahead, out);
}
[[gnu::target("avx2")]] std::uint64_t CopyRowsAvx2(const Memory& m, const KeyBatch& batch, std::size_t ahead,
                                                   float* out) {
  return m.dim == 16 ? CopyRows<16>(m, batch, ahead, out) : CopyRows<0>(m, batch, ahead, out);
}
std::uint64_t StepRowsPlain(const Memory& m, const KeyBatch& batch, std::size_t ahead, const float* gradients) {
  return m.dim == 16 ? StepRows<16>(m, batch, ahead, gradients) : StepRows<0>(m, batch, ahead, gradients);
}
[[gnu::target("avx2")]] std::uint64_t StepRowsAvx2(const Memory& m, const KeyBatch& batch, std::size_t ahead,
                                                   const float* gradients) {
  return m.dim == 16 ? StepRows<16>(m, batch, ahead, gradients) : StepRows<0>(m, batch, ahead, gradients);
}

}  // namespace

HugeMemory::HugeMemory(std::size_t bytes) {
  const std::size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage, mapped = size + kHugePage;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  PCHECK(memory != MAP_FAILED) << "no memory for a floor of " << bytes << " bytes";
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t aligned = (begin + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > begin) munmap(memory, aligned - begin);
  munmap(reinterpret_cast<void*>(aligned + size), begin + mapped - (aligned + size));
  madvise(reinterpret_cast<void*>(aligned), size, MADV_HUGEPAGE);
  memory_ = {reinterpret_cast<float*>(aligned), Unmap{size}};
}

void HugeMemory::Unmap::operator()(float* memory) const { munmap(memory, bytes); }

FloorRows::FloorRows(std::uint64_t rows, std::uint32_t dim, Touch touch)
    : dim_(dim),
      index_(IndexLines(rows) * kLineFloats * sizeof(float)),
      rows_((rows / Memory::kBlockRows + 1) * Memory::kBlockRows * (dim + 1) * sizeof(float)) {
  std::fill_n(index_.data(), IndexLines(rows) * kLineFloats, 1.0f);  // not zeros: those may share one page
  if (touch == Touch::kAtOnce) std::fill_n(rows_.data(), rows * (dim + 1), 0.01f);
}

void FloorRows::Copy(const KeyBatch& batch, std::size_t ahead, float* out) {
  const Memory memory{index_.data(), rows_.data(), dim_};
  touched_ += __builtin_cpu_supports("avx2") ? CopyRowsAvx2(memory, batch, ahead, out)
                                             : CopyRowsPlain(memory, batch, ahead, out);
}

void FloorRows::Step(const KeyBatch& batch, std::size_t ahead, const float* gradients) {
  const Memory memory{index_.data(), rows_.data(), dim_};
  touched_ += __builtin_cpu_supports("avx2") ? StepRowsAvx2(memory, batch, ahead, gradients)
                                             : StepRowsPlain(memory, batch, ahead, gradients);
}

void FloorRows::Write(const KeyBatch& batch, std::size_t ahead, const float* weights) {
  const Memory memory{index_.data(), rows_.data(), dim_};
  const std::size_t dim = dim_;
  touched_ += Visit<0, true>(
      memory, batch, ahead, [=](float* row, float* sum, std::size_t i) __attribute__((always_inline)) {
        std::memcpy(row, weights + i * dim, dim * sizeof(float));
        *sum = 0.1f;
      });
}

}  // namespace sherd::bench
