#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sherd {

// A queue in one array that grows by doubling and never shrinks: one whose length has a bound stops allocating. T is
// default constructible and movable; what is taken leaves a default T behind. Thread-compatible.
template <typename T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& front() { return slots_[begin_]; }
  T& back() { return (*this)[size_ - 1]; }
  // The i-th from the front.
  T& operator[](std::size_t i) { return slots_[(begin_ + i) & (slots_.size() - 1)]; }
  const T& operator[](std::size_t i) const { return slots_[(begin_ + i) & (slots_.size() - 1)]; }

  void push_back(T value) {
    if (size_ == slots_.size()) Grow();
    ++size_;
    back() = std::move(value);
  }
  T pop_front() {
    T value = std::exchange(slots_[begin_], T());
    begin_ = (begin_ + 1) & (slots_.size() - 1);
    --size_;
    return value;
  }

 private:
  void Grow() {
    std::vector<T> larger(slots_.empty() ? 8 : 2 * slots_.size());
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    slots_ = std::move(larger);
    begin_ = 0;
  }

  std::vector<T> slots_;  // a power of two of them
  std::size_t begin_ = 0, size_ = 0;
};

}  // namespace sherd
