#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"

namespace sherd::bench {

// Keys without an array of them: the key of row i, in the order in which rows are inserted. Distinct.
inline Key KeyOf(std::uint64_t row) { return Mix(row, 7); }

enum class Draw { kUniform, kZipf };

constexpr const char* NameOf(Draw draw) { return draw == Draw::kUniform ? "uniform" : "zipf"; }

// Ranks 1 to `ranks` with probability in proportion to rank^-exponent, by rejection-inversion: W. Hörmann, G.
// Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", 1996. Exponent above 1.
// Immutable.
class ZipfRanks {
 public:
  ZipfRanks(std::uint64_t ranks, double exponent);

  // The rank that follows from the hashes Mix(seed, 0), Mix(seed, 1) …; the first that is accepted decides.
  std::uint64_t At(std::uint64_t seed) const;

 private:
  double Area(double x) const;       // of the density from 1 to x
  double AtArea(double area) const;  // its inverse

  const double ranks_, exponent_;
  const double first_, last_;  // areas between which a rank is drawn
  const double sure_;          // how far below its rank a point is accepted without looking
};

// Row numbers in [begin, end): uniform, or Zipf of exponent 1.05 with the frequent ranks scattered over the rows, as if
// keys had come in no order of how frequent they are.
class RowDraws {
 public:
  RowDraws(Draw draw, std::uint64_t begin, std::uint64_t end);

  std::uint64_t At(std::uint64_t seed) const;

 private:
  const Draw draw_;
  const std::uint64_t begin_, rows_;
  const ZipfRanks ranks_;
};

// A request: distinct keys in the order in which they were drawn, and where the floors have their rows.
struct KeyBatch {
  std::vector<Key> keys;
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> lines;  // of the floor's index
};

// `count` batches of `size` keys (BatchSize of the rows drawn from); `lines`: of the floor's index.
std::vector<KeyBatch> DrawBatches(const RowDraws& draws, std::size_t count, std::size_t size, std::uint64_t lines);

// The largest batch of at most `usual` keys that a draw over so many rows soon fills with distinct ones.
constexpr std::size_t BatchSize(std::uint64_t rows, std::size_t usual) {
  return rows / 4 < usual ? static_cast<std::size_t>(rows / 4) : usual;
}

}  // namespace sherd::bench
