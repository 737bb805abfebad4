#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/hash.h"
#include "proto/job.pb.h"

namespace sherd {

// First weights as a pure function of (stream, element), by integer and IEEE arithmetic without libm: the same bits on
// any machine, at any time, in any order. Golden values stand in tests/ps/initializer_test.cc. Immutable.
class Initializer {
 public:
  // fan_in and fan_out matter to XAVIER alone; rows of a table have their dim for both.
  Initializer(const proto::Initializer& spec, std::uint32_t fan_in, std::uint32_t fan_out);

  // Elements first, first + 1, … of a stream.
  void Fill(std::uint64_t stream, std::uint64_t first, std::span<float> out) const;
  // Of several rows the elements [first, first + dim): rows[i][first, first + dim) from streams[i].
  void FillRows(std::span<const std::uint64_t> streams, std::uint64_t first, std::size_t dim,
                std::span<float* const> rows) const;

 private:
  enum class Shape { kConstant, kUniform, kNormal };

  void FillAll(std::span<const std::uint64_t> streams, std::uint64_t first, std::size_t dim,
               std::span<float* const> outs, std::size_t offset) const;

  Shape shape_;
  double scale_;  // the constant; half the width; the deviation of one unit of a sum of hashes' parts
};

// The stream of everything in a table, of one of its rows (elements are numbered through all its segments), and of a
// dense tensor (elements are its own).
inline std::uint64_t TableStream(std::uint64_t seed, std::string_view table) { return Mix(seed, HashBytes(table)); }
inline std::uint64_t RowStream(std::uint64_t table_stream, Key key) { return Mix(table_stream, key); }
inline std::uint64_t TensorStream(std::uint64_t seed, std::string_view tensor) {
  return Mix(seed, HashBytes(tensor), 1);
}

}  // namespace sherd
