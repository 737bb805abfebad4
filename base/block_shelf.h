#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace sherd {

// Memory for things of one type that come and go each minibatch, often on different threads: what comes back is kept
// for the next. Thread-safe.
class BlockShelf {
 public:
  BlockShelf() = default;
  BlockShelf(const BlockShelf&) = delete;
  ~BlockShelf() {
    for (void* block : free_) ::operator delete(block);
  }

  // All calls are for the same size.
  void* Take(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        void* const block = free_.back();
        free_.pop_back();
        return block;
      }
    }
    return ::operator new(bytes);
  }
  void Put(void* block) {
    {
      const std::lock_guard lock(mutex_);
      if (free_.size() < kMost) {
        free_.push_back(block);
        return;
      }
    }
    ::operator delete(block);
  }

 private:
  static constexpr std::size_t kMost = 1024;  // that are kept

  std::mutex mutex_;
  std::vector<void*> free_;
};

// For std::allocate_shared: a thing and the count of its pointers in one block, which goes back to a shelf of its own,
// though the last pointer may go long after whoever made it.
template <typename T>
struct ShelfAllocator {
  using value_type = T;

  explicit ShelfAllocator(std::shared_ptr<BlockShelf> blocks) : shelf(std::move(blocks)) {}
  template <typename U>
  ShelfAllocator(const ShelfAllocator<U>& other) : shelf(other.shelf) {}

  T* allocate(std::size_t n) { return static_cast<T*>(shelf->Take(n * sizeof(T))); }
  void deallocate(T* block, std::size_t) { shelf->Put(block); }
  friend bool operator==(const ShelfAllocator& a, const ShelfAllocator& b) { return a.shelf == b.shelf; }

  std::shared_ptr<BlockShelf> shelf;
};

}  // namespace sherd
