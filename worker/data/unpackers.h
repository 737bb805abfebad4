#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "worker/data/byte_source.h"

namespace sherd {

// Streaming decompression: each takes the compressed bytes and gives the unpacked ones. Several gzip members, zstd
// frames or xz streams one after another are one text. Memory is bounded by the format's window: 32 KiB (gzip), 128 MiB
// (zstd, what its level 22 takes), 512 MiB (xz); files that ask for more are refused. `name` is the file's, for errors.
Result<std::unique_ptr<ByteSource>> UnpackGzip(const std::string& name, std::unique_ptr<ByteSource> packed);
Result<std::unique_ptr<ByteSource>> UnpackZstd(const std::string& name, std::unique_ptr<ByteSource> packed);
Result<std::unique_ptr<ByteSource>> UnpackXz(const std::string& name, std::unique_ptr<ByteSource> packed);

// Compressed bytes on their way into a decompressor, read ahead by blocks. Shared by the three.
class PackedInput {
 public:
  PackedInput(std::string name, std::unique_ptr<ByteSource> source);

  // Makes bytes available, unless the file is at its end; then remaining() is 0 and at_end() true.
  Status Refill();
  // Takes the first n of remaining() away.
  void Consume(std::size_t n);

  const char* data() const { return buffer_.get() + begin_; }
  std::size_t remaining() const { return end_ - begin_; }
  bool at_end() const { return at_end_; }
  // "file: text at byte N of the compressed file"
  Status Error(const std::string& text) const;

 private:
  const std::string name_;
  const std::unique_ptr<ByteSource> source_;
  const std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t consumed_ = 0;
  bool at_end_ = false;
};

}  // namespace sherd
