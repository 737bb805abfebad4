#include "worker/work.h"

#include <glog/logging.h>

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace sherd {

void Work::LetGoOfValues() {
  for (std::vector<Frame>& frames : values) frames.clear();
  for (Frame& frame : dense_values) frame = {};
}

// A work, and room for the counts of the pointers to it, so that handing it out again takes no memory.
struct WorkPool::Node {
  Work work;
  alignas(std::max_align_t) std::byte counts[128];
};

class WorkPool::FreeList {
 public:
  std::unique_ptr<Node> Take() {
    std::lock_guard lock(mutex_);
    if (nodes_.empty()) return std::make_unique<Node>();
    std::unique_ptr<Node> node = std::move(nodes_.back());  // the last one, whose memory may still be in the cache
    nodes_.pop_back();
    return node;
  }
  void Put(std::unique_ptr<Node> node) {
    std::lock_guard lock(mutex_);
    nodes_.push_back(std::move(node));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

// Gives a shared pointer's counts their room in the node. They are the last that goes: then the node is free.
template <typename T>
struct WorkPool::Allocator {
  using value_type = T;

  Allocator(std::shared_ptr<FreeList> free, Node* node) : free(std::move(free)), node(node) {}
  template <typename U>
  Allocator(const Allocator<U>& other) : free(other.free), node(other.node) {}

  T* allocate(std::size_t n) {
    static_assert(sizeof(T) <= sizeof(Node::counts));
    CHECK_EQ(n, 1u);
    return reinterpret_cast<T*>(node->counts);
  }
  void deallocate(T*, std::size_t) { free->Put(std::unique_ptr<Node>(node)); }
  friend bool operator==(const Allocator& a, const Allocator& b) { return a.node == b.node; }

  std::shared_ptr<FreeList> free;
  Node* node;
};

WorkPool::WorkPool() : free_(std::make_shared<FreeList>()) {}

WorkPtr WorkPool::Take() {
  Node* const node = free_->Take().release();
  Work* const work = &node->work;
  work->ends_chunk = false;
  work->read_rows = work->bad_rows = 0;
  work->applied_rows = 0;
  work->computed = false;
  work->unanswered = 0;
  work->pulls.clear();
  work->staleness = 0;
  work->loss_sum = work->absolute_error_sum = 0;
  return {work, [](Work* done) { done->LetGoOfValues(); }, Allocator<Work>(free_, node)};
}

}  // namespace sherd
