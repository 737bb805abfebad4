#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/block_shelf.h"

namespace sherd {

// Aligned float buffers that are lent to frames and come back when the last frame that holds one is gone, from
// whichever thread. Buffers may outlive the pool. Thread-safe.
class BufferPool {
 public:
  struct Lent {
    std::shared_ptr<const void> owner;  // returns the buffer when the last copy goes
    std::span<float> floats;
  };

  // A buffer of `size` floats, undefined ones.
  Lent Take(std::size_t size);

 private:
  struct Shelf {
    std::mutex mutex;
    std::vector<AlignedBuffer<float>> free;
  };

  std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
  std::shared_ptr<BlockShelf> loans_ = std::make_shared<BlockShelf>();
};

}  // namespace sherd
