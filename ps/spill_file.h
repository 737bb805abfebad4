#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/hash.h"
#include "base/status.h"
#include "ps/record_reader.h"
#include "ps/scratch_file.h"
#include "ps/spill_segments.h"

namespace sherd {

// The rows of a table that memory has no room for, in one scratch file. A record is a row with its key; who calls knows
// it by its number alone. Nothing survives the process: checkpoints hold all that must.
//
// In the file, at number * record_bytes:
//   record = key (8 bytes) row (row_bytes) crc (4 bytes: CRC32C of the number, the key and the row)
// Numbers come from segments of 1 to 4 MB, written whole blocks at a time. Releasing a record marks it dead; a segment
// of dead records is written anew, or given back to the disk. While more than half of the records are dead,
// MostDeadSegment names a segment whose live records should be appended again and then released.
//
// An error leaves everything as it was: what was appended stays readable, and the call may be tried again.
// Thread-compatible.
class SpillFile {
 public:
  struct Options {
    std::uint32_t segment_records = 0;             // 0: chosen by the size of a row; else a multiple of 1024
    std::uint32_t max_records = (1u << 31) - 512;  // numbers are below it
    std::chrono::milliseconds deadline{60'000};    // for a disk that does not answer
  };

  // row_bytes: a multiple of 4, above 0.
  static Result<std::unique_ptr<SpillFile>> Create(const std::string& folder, std::uint32_t row_bytes);
  // On a file that is given; `folder` is for errors.
  SpillFile(std::unique_ptr<ScratchFile> file, const std::string& folder, std::uint32_t row_bytes, Options options);

  // Adds records; rows: [keys, row_bytes]. The first number of a batch is any, most follow one another.
  Status Append(std::span<const Key> keys, const std::byte* rows, std::uint32_t* numbers);
  // A read in parts: some StartReads, whose records are on their way while the caller finds out about the next ones,
  // and then FinishRead, with no other reading in between: the rows, [keys, row_bytes], of all the numbers in the order
  // asked. BadData: a record is not what was written, or of another key.
  void StartRead(std::span<const std::uint32_t> numbers);
  Status FinishRead(std::span<const Key> keys, std::byte* rows);
  Status Read(std::span<const Key> keys, std::span<const std::uint32_t> numbers, std::byte* rows) {
    StartRead(numbers);
    return FinishRead(keys, rows);
  }
  // The record is dead. It must be a live one.
  void Release(std::uint32_t number);

  // None while at most half of the records in the file are dead.
  std::optional<std::uint32_t> MostDeadSegment() const { return segments_.MostDead(); }
  // The live records of a segment, by number.
  struct Records {
    std::vector<std::uint32_t> numbers;
    std::vector<Key> keys;
    AlignedBuffer<std::byte> rows;  // [numbers, row_bytes]
  };
  Status ReadSegment(std::uint32_t segment, Records* records);

  std::uint32_t row_bytes() const { return row_bytes_; }
  std::uint32_t record_bytes() const { return record_bytes_; }
  std::uint64_t live_records() const { return segments_.live(); }
  std::uint64_t dead_records() const { return segments_.dead(); }
  // What the file takes of the disk, to a segment.
  std::uint64_t file_bytes() const;
  // What the disk has left.
  Result<std::uint64_t> FreeBytes() const;

 private:
  std::uint64_t OffsetOf(std::uint32_t number) const { return std::uint64_t{number} * record_bytes_; }
  std::uint64_t segment_bytes() const { return std::uint64_t{segments_.records_per_segment()} * record_bytes_; }

  // Writes a run's records, from `tail`, the bytes before them in their first block, and leaves there the bytes that
  // its last block begins with.
  Status WriteRun(const SpillSegments::Run& run, const Key* keys, const std::byte* rows, std::vector<std::byte>* tail);
  void Encode(std::uint32_t number, Key key, const std::byte* row, std::byte* record) const;
  Status WriteBlocks(std::uint64_t offset, std::span<const std::byte> blocks);
  Status WriteError(std::uint64_t offset, std::uint64_t bytes, std::int64_t result) const;
  // Gives back what an Append that failed has written beyond the live records.
  void GiveBack(const std::vector<SpillSegments::Run>& runs);

  // wanted_: the numbers in order, each with its place, from `first` on.
  void Order(std::span<const std::uint32_t> numbers, std::uint32_t first);
  // `key`: what it must be, or null for any.
  Status Decode(std::uint32_t number, const Key* key, const std::byte* record, Key* found, std::byte* row) const;

  const std::unique_ptr<ScratchFile> file_;
  const std::string folder_;
  const std::string name_;  // in errors
  const std::uint32_t row_bytes_;
  const std::uint32_t record_bytes_;
  SpillSegments segments_;
  RecordReader reader_;
  std::uint32_t started_ = 0;  // records of the read that is under way
  std::vector<RecordReader::Wanted> wanted_;
  std::unique_ptr<std::byte, decltype(&std::free)> write_buffer_;
  std::vector<std::byte> tail_;  // of the open segment: what its last block, if begun, holds
};

}  // namespace sherd
