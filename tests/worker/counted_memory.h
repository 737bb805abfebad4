#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sherd::testing {

// Blocks of memory that the program's threads have asked for so far (malloc and what is built on it, aligned_alloc), by
// the threads' names; threads of one name together, those that have ended not at all. posix_memalign is not counted:
// nobody here uses it but oneDNN, for the scratch of its products. In builds with sanitizers, which have an allocator
// of their own, this is empty.
std::map<std::string, std::uint64_t> AllocationsByThread();

}  // namespace sherd::testing
