#include "bench/scalar_tsv.h"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "worker/data/feature_encoder.h"

namespace sherd::bench {
namespace {

constexpr std::int64_t kSmall = 1024;
constexpr std::size_t kBlockBytes = 1 << 20;

}  // namespace

ScalarTsv::ScalarTsv(std::uint32_t batch_rows)
    : batch_rows_(batch_rows), labels_(batch_rows), keys_(std::size_t{batch_rows} * kKeys), row_ids_(batch_rows) {
  for (std::int64_t i = 0; i < kSmall; ++i) small_buckets_.push_back(LogBucket(static_cast<double>(i)));
  for (int i = 1; i <= kIntegers; ++i) field_hash_.push_back(HashBytes("I" + std::to_string(i)));
  for (int i = 1; i <= kTokens; ++i) field_hash_.push_back(HashBytes("C" + std::to_string(i)));
}

bool ScalarTsv::DecodeRow(const char* begin, const char* end, std::uint64_t offset) {
  Key* key = keys_.data() + std::size_t{rows_} * kKeys;
  if (end - begin < 2 || begin[1] != '\t') return false;
  labels_[rows_] = static_cast<float>(begin[0] - '0');
  row_ids_[rows_] = Mix(0, offset);
  const char* field = begin + 2;
  for (int i = 0; i < kKeys; ++i) {
    const char* field_end = end;
    if (i + 1 < kKeys) field_end = static_cast<const char*>(std::memchr(field, '\t', end - field));
    if (field_end == nullptr) return false;
    if (i >= kIntegers) {
      *key++ = XXH3_64bits_withSeed(field, field_end - field, field_hash_[i]);
    } else if (field == field_end) {
      *key++ = IntegerKey(field_hash_[i], kMissingBucket);
    } else {
      std::int64_t value;
      const auto [rest, error] = std::from_chars(field, field_end, value);
      if (error != std::errc() || rest != field_end) return false;
      const std::int64_t bucket =
          value >= 0 && value < kSmall ? small_buckets_[value] : LogBucket(static_cast<double>(value));
      *key++ = IntegerKey(field_hash_[i], static_cast<std::uint64_t>(bucket));
    }
    field = field_end + 1;
  }
  if (++rows_ == batch_rows_) EndMinibatch();
  return true;
}

void ScalarTsv::EndMinibatch() {
  if (sum_keys) {
    for (std::size_t i = 0; i < std::size_t{rows_} * kKeys; ++i) key_sum_ += keys_[i];
  }
  rows_ = 0;
}

Result<std::uint64_t> ScalarTsv::Decode(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return Status::Io("open " + path, errno);
  const auto buffer = std::make_unique_for_overwrite<char[]>(2 * kBlockBytes);
  std::size_t kept = 0;  // of an unfinished line, at the front of the buffer
  std::uint64_t rows = 0, offset = 0;
  key_sum_ = 0;
  for (ssize_t n; (n = ::read(file, buffer.get() + kept, kBlockBytes)) > 0;) {
    const char* line = buffer.get();
    const char* const end = line + kept + n;
    while (const void* newline = std::memchr(line, '\n', end - line)) {
      const char* line_end = static_cast<const char*>(newline);
      rows += DecodeRow(line, line_end, offset);
      offset += line_end + 1 - line;
      line = line_end + 1;
    }
    kept = end - line;
    if (kept > kBlockBytes) break;
    std::memmove(buffer.get(), line, kept);
  }
  ::close(file);
  EndMinibatch();
  if (kept > 0) return Status::BadData(path + ": a line is too long, or the last has no end");
  return rows;
}

}  // namespace sherd::bench
