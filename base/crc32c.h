#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// The ways of computing Crc32c (base/hash.h), which all give the same; it takes the fastest that the processor has.
namespace sherd::crc32c {

// By the instruction of SSE4.2, which every processor that this runs on has: 8 bytes a cycle.
std::uint32_t ByInstruction(std::span<const std::byte> bytes, std::uint32_t crc);
// By folding with carry-less products of vectors of 64 bytes (Gopal et al. 2009): as fast as the memory. Only where
// HasVectors().
std::uint32_t ByVectors(std::span<const std::byte> bytes, std::uint32_t crc);
bool HasVectors();

}  // namespace sherd::crc32c
