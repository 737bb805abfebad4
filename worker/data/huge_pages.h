#pragma once

#include <sys/mman.h>

#include <cstdint>

#include "base/aligned_buffer.h"

namespace sherd {

// Asks for huge pages under what is going to be read here and there, before it is written for the first time. It is
// advice: whoever does not get them is slower. Small buffers are left alone.
template <typename T>
void AskForHugePages(AlignedBuffer<T>* buffer) {
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(buffer->data()) + kPage - 1) / kPage * kPage;
  const auto end = reinterpret_cast<std::uintptr_t>(buffer->data() + buffer->size()) / kPage * kPage;
  constexpr std::uintptr_t kLeast = 512 * kPage;
  if (end >= begin + kLeast) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace sherd
