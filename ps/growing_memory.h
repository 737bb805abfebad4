#pragma once

#include <cstddef>
#include <thread>

namespace sherd {

// An array of bytes that grows without being copied and without ever needing twice its memory: address space is
// reserved ahead, pages come when they are first touched (zeroed, huge ones asked for), and when the reserve is used up
// the pages are moved to a larger one by their page tables alone. Growth may change data(), never contents.
// Thread-compatible.
class GrowingMemory {
 public:
  GrowingMemory() = default;
  GrowingMemory(const GrowingMemory&) = delete;
  GrowingMemory& operator=(const GrowingMemory&) = delete;
  ~GrowingMemory();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  // Makes [0, size) usable; never shrinks. Bytes that were not there before are zero.
  void Grow(std::size_t size);
  // [0, size) will soon be used: a thread of this object asks the system for its pages meanwhile, so that whoever fills
  // them need not wait for one after the other. No more than a wish: size() stays.
  void Expect(std::size_t size);

 private:
  void EnsureReserved(std::size_t size);
  bool Reserve(std::size_t size);  // false: there is not so much address space

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t reserved_ = 0;
  std::jthread asker_;  // of Expect
};

}  // namespace sherd
