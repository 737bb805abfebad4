#include "ps/growing_memory.h"

#include <glog/logging.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

namespace sherd {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kLeastReserve = std::size_t{64} << 10;  // many tables are small
constexpr std::size_t kAhead = 4;                             // reserves grow by this factor: address space is cheap
// What is no longer small gets so much at once: to move page tables takes a tenth of a second a gigabyte on some
// virtual machines.
constexpr std::size_t kAskedAtOnce = std::size_t{32} << 20;
constexpr std::size_t kSmall = std::size_t{16} << 20, kLarge = std::size_t{64} << 30;

// `bytes` of address space, on the boundary of a huge page where they hold one; nullptr: there are not so many.
std::byte* Map(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : 1;
  const std::size_t mapped = bytes + alignment - 1;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t aligned = (begin + alignment - 1) / alignment * alignment;
  if (aligned > begin) munmap(memory, aligned - begin);
  if (begin + mapped > aligned + bytes)
    munmap(reinterpret_cast<void*>(aligned + bytes), begin + mapped - aligned - bytes);
  if (bytes >= 2 * kHugePage) madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);
  return reinterpret_cast<std::byte*>(aligned);
}

}  // namespace

GrowingMemory::~GrowingMemory() {
  asker_ = {};
  if (data_ != nullptr) munmap(data_, reserved_);
}

void GrowingMemory::Grow(std::size_t size) {
  EnsureReserved(size);
  size_ = std::max(size_, size);
}

void GrowingMemory::Expect(std::size_t size) {
  if (size <= kSmall) return;
  EnsureReserved(size);
  asker_ = std::jthread([begin = data_, size](const std::stop_token& stop) {
    // What is there already stays as it is. Kernels before 5.14 refuse: then pages come when they are touched.
    for (std::size_t at = 0; at < size && !stop.stop_requested(); at += kAskedAtOnce) {
      if (madvise(begin + at, std::min(kAskedAtOnce, size - at), MADV_POPULATE_WRITE) != 0) return;
    }
  });
}

void GrowingMemory::EnsureReserved(std::size_t size) {
  if (size > reserved_ && !(size > kSmall && Reserve(std::max(kLarge, size * kAhead)))) {
    PCHECK(Reserve(std::max(kLeastReserve, size * kAhead))) << "no address space for " << size << " bytes of a table";
  }
}

bool GrowingMemory::Reserve(std::size_t size) {
  const std::size_t bytes = (size + kLeastReserve - 1) / kLeastReserve * kLeastReserve;
  std::byte* larger = Map(bytes);
  if (larger == nullptr) return false;
  asker_ = {};
  if (data_ != nullptr) {
    void* moved = mremap(data_, reserved_, reserved_, MREMAP_MAYMOVE | MREMAP_FIXED, larger);
    PCHECK(moved == larger) << "cannot move " << reserved_ << " bytes of a table";
  }
  data_ = larger;
  reserved_ = bytes;
  return true;
}

}  // namespace sherd
