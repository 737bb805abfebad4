#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "worker/data/byte_source.h"

namespace sherd {

// Compresses texts, each into a gzip member or a zstd frame of its own: one after another they are one compressed file,
// so that several threads can make its parts. Confined to one thread.
class Packer {
 public:
  virtual ~Packer() = default;
  // In place of what was in `packed`. kNone copies.
  virtual Status Pack(std::string_view text, std::string* packed) = 0;
};

// Level 3 of zstd, 6 of gzip. Invalid: xz is read, but not written.
Result<std::unique_ptr<Packer>> MakePacker(Compression compression);

}  // namespace sherd
