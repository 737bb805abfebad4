#include "tests/worker/counted_memory.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <fstream>

namespace {

struct ThreadCount {
  std::atomic<std::uint64_t> blocks;
  std::atomic<long> thread;
};

std::array<ThreadCount, 1024> counts;  // those that find no place share the last one
std::atomic<std::size_t> threads;
thread_local ThreadCount* mine = nullptr;

[[maybe_unused]] void Count() {
  if (mine == nullptr) {
    mine = &counts[std::min(threads.fetch_add(1), counts.size() - 1)];
    mine->thread = syscall(SYS_gettid);
  }
  mine->blocks.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// glibc's own, which stand behind its malloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  Count();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  Count();
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  Count();
  return __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  Count();
  return __libc_memalign(alignment, size);
}
}
#endif

namespace sherd::testing {

std::map<std::string, std::uint64_t> AllocationsByThread() {
  std::map<std::string, std::uint64_t> by_name;
  for (ThreadCount& count : counts) {
    if (count.blocks == 0) continue;
    std::ifstream file("/proc/self/task/" + std::to_string(count.thread) + "/comm");
    std::string name;
    if (std::getline(file, name)) by_name[name] += count.blocks;
  }
  return by_name;
}

}  // namespace sherd::testing
