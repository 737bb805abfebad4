#pragma once

#include <cstdint>

namespace sherd {

// What a table's index says of a key, in 32 bits: the number of a resident row, of a row on disk, or, for a key that
// has not been seen often enough to have one, how often it has been.
class RowPlace {
 public:
  static constexpr std::uint32_t kMostRows = 1u << 31;  // resident, or on disk: 512 less
  static constexpr std::uint32_t kMostSightings = 250;

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};  // not in the index

  explicit RowPlace(std::uint32_t value) : value_(value) {}
  static RowPlace Resident(std::uint32_t number) { return RowPlace(number); }
  static RowPlace OnDisk(std::uint32_t number) { return RowPlace(kOnDisk | number); }
  static RowPlace Candidate(std::uint32_t sightings) { return RowPlace(kCandidate | sightings); }

  std::uint32_t value() const { return value_; }
  bool resident() const { return value_ < kOnDisk; }
  bool candidate() const { return value_ >= kCandidate; }
  bool on_disk() const { return value_ >= kOnDisk && value_ < kCandidate; }
  std::uint32_t number() const { return value_ & ~kOnDisk; }
  std::uint32_t sightings() const { return value_ & 0xff; }

 private:
  static constexpr std::uint32_t kOnDisk = 1u << 31;
  static constexpr std::uint32_t kCandidate = 0xffffff00;

  std::uint32_t value_;
};

}  // namespace sherd
