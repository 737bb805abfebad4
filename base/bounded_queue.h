#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/ring.h"

namespace sherd {

// The only channel between a pipeline's threads: first in, first out, at most `capacity` elements. A full queue blocks
// its producer; a closed one refuses new elements and lets the old ones be taken. Thread-safe.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // Waits for room. False: the queue is closed and `value` was dropped.
  bool Push(T value) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return queue_.size() < capacity_ || closed_; });
    if (closed_) return false;
    queue_.push_back(std::move(value));
    lock.unlock();
    filled_.notify_one();
    return true;
  }

  // Waits for an element. Nothing: the queue is closed and empty.
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return !queue_.empty() || closed_; });
    return Take(lock);
  }

  // Like Pop; nothing also when none came within `wait`.
  template <typename Rep, typename Period>
  std::optional<T> PopFor(std::chrono::duration<Rep, Period> wait) {
    std::unique_lock lock(mutex_);
    filled_.wait_for(lock, wait, [&] { return !queue_.empty() || closed_; });
    return Take(lock);
  }

  std::optional<T> TryPop() {
    std::unique_lock lock(mutex_);
    return Take(lock);
  }

  void Close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    room_.notify_all();
    filled_.notify_all();
  }

  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return queue_.size();
  }
  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  std::optional<T> Take(std::unique_lock<std::mutex>& lock) {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value(queue_.pop_front());
    lock.unlock();
    room_.notify_one();
    return value;
  }

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable room_, filled_;
  Ring<T> queue_;
  bool closed_ = false;
};

}  // namespace sherd
