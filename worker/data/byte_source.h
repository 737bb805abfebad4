#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

namespace sherd {

// Bytes from front to end: of a file, or of what a compressed file unpacks to. Confined to one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads up to `size` > 0 bytes; 0 at the end. BadData, naming the file and the offset in it, when it is corrupt or
  // ends early. After an error the source is of no further use.
  virtual Result<std::size_t> Read(char* data, std::size_t size) = 0;
};

enum class Compression { kNone, kGzip, kZstd, kXz };

// By the first bytes of the file, whatever its name.
Result<Compression> DetectCompression(const std::string& path);

// The file's own bytes from `offset` to `expected_size`, the size it had when the job began: what it grows by since
// then is not read. A file that turns out to end before is an error: it was cut while the job ran. 0: whatever it has.
Result<std::unique_ptr<ByteSource>> OpenFileBytes(const std::string& path, std::uint64_t offset,
                                                  std::uint64_t expected_size);

// The unpacked bytes of a file, from its beginning.
Result<std::unique_ptr<ByteSource>> OpenUnpacked(const std::string& path, Compression compression,
                                                 std::uint64_t expected_size);

}  // namespace sherd
