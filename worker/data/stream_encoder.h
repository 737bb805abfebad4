#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/data/row_file_format.h"

struct ZSTD_CCtx_s;

namespace sherd {

// Texts one after another.
struct Texts {
  std::string bytes;
  std::vector<std::uint32_t> ends;

  void Add(std::string_view text) {
    bytes += text;
    ends.push_back(static_cast<std::uint32_t>(bytes.size()));
  }
  std::string_view operator[](std::size_t i) const {
    const std::uint32_t begin = i == 0 ? 0 : ends[i - 1];
    return {bytes.data() + begin, ends[i] - begin};
  }
  void Clear() {
    bytes.clear();
    ends.clear();
  }
};

// Makes streams of a block: of values of one kind the distinct ones and, by value, which of them it is, where that is
// shorter than the values themselves. Its memory is used again. Thread-compatible.
class StreamEncoder {
 public:
  explicit StreamEncoder(int zstd_level);
  ~StreamEncoder();
  StreamEncoder(const StreamEncoder&) = delete;
  StreamEncoder& operator=(const StreamEncoder&) = delete;

  // Each appends what is stored to `out` and returns its header. A NaN is a missing number.
  StreamHeader AddNumbers(std::span<const double> values, std::string* out);
  StreamHeader AddKeys(std::span<const std::uint64_t> values, std::string* out);
  StreamHeader AddTexts(const Texts& values, std::string* out);

 private:
  // Fills ids_ and firsts_: by distinct value the first place that has it.
  template <typename Hash, typename Equal>
  void FindDistinct(std::size_t count, const Hash& hash, const Equal& equal);
  // Every value is an entry of its own.
  void KeepAll(std::size_t count);
  int IdBits() const;
  void AddIds(std::size_t count, StreamHeader* header);
  StreamHeader Store(StreamHeader header, std::string* out);

  const int zstd_level_;
  ZSTD_CCtx_s* const zstd_;
  std::vector<std::uint32_t> table_;  // 1 + id by hash; 0: free
  std::vector<std::uint32_t> ids_, firsts_;
  std::string payload_;
};

}  // namespace sherd
