#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "base/partition.h"
#include "bench/bench_case.h"
#include "ps/embedding_table.h"

namespace sherd::bench {
namespace {

constexpr std::size_t kRows = 2'000'000;  // 272 MB with Adagrad's state: far beyond the cache
constexpr std::size_t kBatch = 65'536;
constexpr std::size_t kBatches = 8;
constexpr std::size_t kWeights = 17;  // a first-order weight and an embedding of 16
constexpr std::size_t kAhead = 16;    // rows prefetched by the floors
constexpr float kRate = 0.02f;

Key KeyOf(std::size_t i) { return Mix(i, 7); }

Result<std::unique_ptr<EmbeddingTable>> MakeTable() {
  proto::TableSpec spec;
  spec.set_name("bench");
  for (const std::uint32_t dim : {1u, 16u}) {
    proto::SegmentSpec* segment = spec.add_segment();
    segment->set_name(dim == 1 ? "linear" : "embedding");
    segment->set_dim(dim);
    segment->mutable_optimizer()->mutable_adagrad()->set_learning_rate(kRate);
    segment->mutable_initializer()->set_kind(dim == 1 ? proto::Initializer::ZERO : proto::Initializer::NORMAL);
  }
  ASSIGN_OR_RETURN(RowLayout layout, RowLayout::Make(spec));
  return std::make_unique<EmbeddingTable>(std::move(layout), 1, 0, kSlots);
}

// Distinct keys in no order of memory.
std::vector<Key> BatchKeys(std::size_t batch) {
  std::vector<Key> keys;
  const std::size_t stride = kRows / kBatch;
  for (std::size_t i = 0; i < kBatch; ++i) keys.push_back(KeyOf(i * stride + batch));
  std::sort(keys.begin(), keys.end());
  return keys;
}

void PushAll(const std::vector<float>& gradients, EmbeddingTable* table) {
  std::vector<Key> keys(kBatch);
  for (std::size_t first = 0; first < kRows; first += kBatch) {
    keys.resize(std::min(kBatch, kRows - first));
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = KeyOf(first + i);
    CHECK(table->Push(keys, gradients.data(), {}).ok());
  }
}

// Rows of the same width side by side, addressed by number: no index, no choice of optimizer.
struct FlatRows {
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  AlignedBuffer<float> memory{kRows * 2 * kWeights + kHugePage / sizeof(float)};
  float* values = nullptr;  // at the first huge page in it
  std::vector<std::vector<std::uint32_t>> numbers;

  FlatRows() {
    const auto begin = reinterpret_cast<std::uintptr_t>(memory.data());
    values = memory.data() + ((begin + kHugePage - 1) / kHugePage * kHugePage - begin) / sizeof(float);
    ::madvise(values, kRows * 2 * kWeights * sizeof(float), MADV_HUGEPAGE);
    std::fill(memory.begin(), memory.end(), 0.01f);
    for (std::size_t batch = 0; batch < kBatches; ++batch) {
      numbers.emplace_back();
      for (std::size_t i = 0; i < kBatch; ++i) {
        numbers.back().push_back(static_cast<std::uint32_t>(Below(Mix(i, batch, 3), kRows)));
      }
    }
  }
  float* Row(std::size_t batch, std::size_t i) { return values + std::size_t{numbers[batch][i]} * 2 * kWeights; }
  void Prefetch(std::size_t batch, std::size_t i) {
    if (i >= kBatch) return;
    for (int line = 0; line < 3; ++line) __builtin_prefetch(Row(batch, i) + line * 16, 1);
  }
  void Copy(std::size_t batch, float* out) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      Prefetch(batch, i + kAhead);
      std::memcpy(out + i * kWeights, Row(batch, i), kWeights * sizeof(float));
    }
  }
  void Step(std::size_t batch, const float* gradients) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      Prefetch(batch, i + kAhead);
      float *w = Row(batch, i), *state = w + kWeights;
      const float* g = gradients + i * kWeights;
      for (std::size_t k = 0; k < kWeights; ++k) {
        state[k] += g[k] * g[k];
        w[k] -= kRate * g[k] / (std::sqrt(state[k]) + 1e-10f);
      }
    }
  }
};

std::vector<float> Gradients() {
  std::vector<float> gradients(kBatch * kWeights);
  for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] = UnitFloat(Mix(i, 11)) - 0.5f;
  return gradients;
}

std::vector<std::vector<Key>> AllKeys() {
  std::vector<std::vector<Key>> keys;
  for (std::size_t batch = 0; batch < kBatches; ++batch) keys.push_back(BatchKeys(batch));
  return keys;
}

// The first step of Adagrad moves a weight by the rate, against its gradient's sign, whatever the gradient's size.
Status CheckFirstStep(const std::vector<float>& gradients) {
  ASSIGN_OR_RETURN(const auto table, MakeTable());
  const std::vector<Key> keys = BatchKeys(0);
  std::vector<float> before(kBatch * kWeights), after(before.size());
  RETURN_IF_ERROR(table->Pull(keys, before.data()));
  CHECK(table->Push(keys, gradients.data(), {}).ok());
  RETURN_IF_ERROR(table->Pull(keys, after.data()));
  for (std::size_t i = 0; i < after.size(); ++i) {
    const float expected = before[i] - std::copysign(kRate, gradients[i]);
    if (std::abs(gradients[i]) > 1e-4f && std::abs(after[i] - expected) > 1e-5f) {
      return Status::BadData("a row is wrong after its first push");
    }
  }
  if (table->rows() != kBatch) return Status::BadData("a push has not made its rows");
  return {};
}

}  // namespace

Result<Figure> TablePull() {
  const std::vector<float> gradients = Gradients();
  RETURN_IF_ERROR(CheckFirstStep(gradients));
  ASSIGN_OR_RETURN(const auto table, MakeTable());
  PushAll(gradients, table.get());
  if (table->rows() != kRows) return Status::BadData("rows are missing");
  FlatRows flat;
  const auto keys = AllKeys();
  std::vector<float> out(kBatch * kWeights);
  std::size_t ours = 0, theirs = 0;
  return CompareInTurns(
      kBatch, "rows/s", [&] { CHECK(table->Pull(keys[ours++ % kBatches], out.data()).ok()); },
      [&] { flat.Copy(theirs++ % kBatches, out.data()); });
}

Result<Figure> TablePush() {
  const std::vector<float> gradients = Gradients();
  RETURN_IF_ERROR(CheckFirstStep(gradients));
  ASSIGN_OR_RETURN(const auto table, MakeTable());
  PushAll(gradients, table.get());
  FlatRows flat;
  const auto keys = AllKeys();
  std::size_t ours = 0, theirs = 0;
  const Figure figure = CompareInTurns(
      kBatch, "rows/s", [&] { CHECK(table->Push(keys[ours++ % kBatches], gradients.data(), {}).ok()); },
      [&] { flat.Step(theirs++ % kBatches, gradients.data()); });
  if (table->rows() != kRows) return Status::BadData("pushes to known rows have made new ones");
  return figure;
}

Result<Figure> TableInsert() {
  const std::vector<float> gradients = Gradients();
  RETURN_IF_ERROR(CheckFirstStep(gradients));
  std::unique_ptr<EmbeddingTable> table;
  FlatRows flat;
  std::size_t pass = 0;
  const Figure figure = CompareInTurns(
      kRows, "rows/s",
      [&] {
        Result<std::unique_ptr<EmbeddingTable>> made = MakeTable();
        table = std::move(made).value();
        PushAll(gradients, table.get());
      },
      [&] {
        for (std::size_t done = 0; done < kRows; done += kBatch) flat.Step(pass++ % kBatches, gradients.data());
      });
  if (table->rows() != kRows) return Status::BadData("rows are missing");
  return figure;
}

}  // namespace sherd::bench
