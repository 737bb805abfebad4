#include "ps/buffer_pool.h"

#include <utility>

namespace sherd {
namespace {

constexpr std::size_t kMostFree = 32;

}  // namespace

BufferPool::Lent BufferPool::Take(std::size_t size) {
  AlignedBuffer<float> buffer;
  {
    const std::lock_guard lock(shelf_->mutex);
    if (!shelf_->free.empty()) {
      buffer = std::move(shelf_->free.back());
      shelf_->free.pop_back();
    }
  }
  buffer.Resize(size);
  // The loan holds the shelf, so that a frame may come back after the pool is gone.
  struct Loan {
    Loan(AlignedBuffer<float> lent, std::shared_ptr<Shelf> home) : buffer(std::move(lent)), shelf(std::move(home)) {}
    ~Loan() {
      const std::lock_guard lock(shelf->mutex);
      if (shelf->free.size() < kMostFree) shelf->free.push_back(std::move(buffer));
    }
    AlignedBuffer<float> buffer;
    const std::shared_ptr<Shelf> shelf;
  };
  auto loan = std::allocate_shared<Loan>(ShelfAllocator<Loan>(loans_), std::move(buffer), shelf_);
  const std::span<float> floats = loan->buffer.span();
  return {.owner = std::move(loan), .floats = floats};
}

}  // namespace sherd
