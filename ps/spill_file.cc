#include "ps/spill_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sherd {
namespace {

constexpr std::uint64_t kBlock = ScratchFile::kBlock;
constexpr std::uint32_t kWriteBytes = 1 << 20;
constexpr std::uint32_t kKeptFree = 16;  // free segments that stay on the disk, for the next Append

constexpr std::uint64_t Up(std::uint64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }
constexpr std::uint64_t Down(std::uint64_t bytes) { return bytes / kBlock * kBlock; }

// Between 1 and 4 MB as far as rows allow; a multiple of 1024 records is one of whole blocks.
std::uint32_t SegmentRecords(std::uint32_t record_bytes) {
  return std::clamp((4u << 20) / record_bytes / 1024 * 1024, 1024u, 32768u);
}

std::uint32_t RecordCrc(std::uint32_t number, const std::byte* record, std::size_t bytes) {
  return Crc32c({record, bytes}, number);
}

}  // namespace

Result<std::unique_ptr<SpillFile>> SpillFile::Create(const std::string& folder, std::uint32_t row_bytes) {
  ASSIGN_OR_RETURN(auto file, OpenScratchFile(folder));
  return std::make_unique<SpillFile>(std::move(file), folder, row_bytes, Options());
}

SpillFile::SpillFile(std::unique_ptr<ScratchFile> file, const std::string& folder, std::uint32_t row_bytes,
                     Options options)
    : file_(std::move(file)),
      folder_(folder),
      name_("spill file in " + folder),
      row_bytes_(row_bytes),
      record_bytes_(row_bytes + 12),
      segments_(options.segment_records > 0 ? options.segment_records : SegmentRecords(record_bytes_),
                options.max_records /
                    (options.segment_records > 0 ? options.segment_records : SegmentRecords(record_bytes_))),
      reader_(file_.get(), name_, record_bytes_, options.deadline),
      write_buffer_(static_cast<std::byte*>(std::aligned_alloc(kBlock, kWriteBytes + Up(record_bytes_) + kBlock)),
                    &std::free) {
  CHECK(row_bytes > 0 && row_bytes % 4 == 0) << row_bytes;
  CHECK_EQ(segments_.records_per_segment() % 1024, 0u);
  CHECK(write_buffer_ != nullptr);
}

Status SpillFile::Append(std::span<const Key> keys, const std::byte* rows, std::uint32_t* numbers) {
  const auto runs = segments_.Plan(keys.size());
  if (!runs) {
    return Status(ErrorCode::kIo, name_ + ": no numbers left for " + std::to_string(keys.size()) + " more records (" +
                                      std::to_string(live_records()) + " live, " + std::to_string(dead_records()) +
                                      " dead): use more servers");
  }
  std::vector<std::byte> tail = tail_;
  std::size_t done = 0;
  for (const SpillSegments::Run& run : *runs) {
    if (run.first % segments_.records_per_segment() == 0) tail.clear();
    if (Status status = WriteRun(run, &keys[done], rows + done * row_bytes_, &tail); !status.ok()) {
      GiveBack(*runs);
      return status;
    }
    for (std::uint32_t i = 0; i < run.count; ++i) numbers[done + i] = run.first + i;
    done += run.count;
  }
  segments_.Take(*runs);
  tail_ = std::move(tail);
  return {};
}

Status SpillFile::WriteRun(const SpillSegments::Run& run, const Key* keys, const std::byte* rows,
                           std::vector<std::byte>* tail) {
  std::byte* const buffer = write_buffer_.get();
  std::uint64_t offset = Down(OffsetOf(run.first));
  CHECK_EQ(offset + tail->size(), OffsetOf(run.first));
  std::copy(tail->begin(), tail->end(), buffer);
  std::uint64_t filled = tail->size();
  for (std::uint32_t i = 0; i < run.count; ++i) {
    Encode(run.first + i, keys[i], rows + std::size_t{i} * row_bytes_, buffer + filled);
    filled += record_bytes_;
    if (filled < kWriteBytes) continue;
    const std::uint64_t whole = Down(filled);
    RETURN_IF_ERROR(WriteBlocks(offset, {buffer, whole}));
    std::memmove(buffer, buffer + whole, filled - whole);
    offset += whole;
    filled -= whole;
  }
  std::memset(buffer + filled, 0, Up(filled) - filled);
  RETURN_IF_ERROR(WriteBlocks(offset, {buffer, Up(filled)}));
  tail->assign(buffer + Down(filled), buffer + filled);
  return {};
}

void SpillFile::Encode(std::uint32_t number, Key key, const std::byte* row, std::byte* record) const {
  std::memcpy(record, &key, 8);
  std::memcpy(record + 8, row, row_bytes_);
  const std::uint32_t crc = RecordCrc(number, record, 8 + row_bytes_);
  std::memcpy(record + 8 + row_bytes_, &crc, 4);
}

Status SpillFile::WriteBlocks(std::uint64_t offset, std::span<const std::byte> blocks) {
  const auto start = std::chrono::steady_clock::now();
  while (!blocks.empty()) {
    const std::int64_t n = file_->Write(offset, blocks);
    const bool again = n == -EINTR || n == -EAGAIN;
    if (again && std::chrono::steady_clock::now() - start < std::chrono::seconds(60)) continue;
    if (n <= 0) return WriteError(offset, blocks.size(), n == 0 ? -ENOSPC : n);
    // Whole blocks only: what a short write did of the next one is written again.
    const std::uint64_t whole = Down(static_cast<std::uint64_t>(n));
    if (whole == 0) return WriteError(offset, blocks.size(), -ENOSPC);
    offset += whole;
    blocks = blocks.subspan(whole);
  }
  return {};
}

Status SpillFile::WriteError(std::uint64_t offset, std::uint64_t bytes, std::int64_t result) const {
  const Result<std::uint64_t> free = FreeBytes();
  const std::string left = free.ok() ? std::to_string(*free >> 20) + " MB are free there" : free.status().text();
  return Status::Io(name_ + ": write " + std::to_string(bytes) + " bytes at offset " + std::to_string(offset) + " (" +
                        left + "; the file holds " + std::to_string(live_records()) +
                        " rows): make room, or give the table more memory or another folder",
                    static_cast<int>(-result));
}

void SpillFile::GiveBack(const std::vector<SpillSegments::Run>& runs) {
  // What fails here costs room on the disk, no record.
  for (const SpillSegments::Run& run : runs) {
    const std::uint32_t segment = run.first / segments_.records_per_segment();
    const std::uint64_t begin = Up(OffsetOf(run.first));
    const std::uint64_t end = (segment + 1) * segment_bytes();
    if (segment < segments_.segments() && begin < end) (void)file_->PunchHole(begin, end - begin);
  }
  (void)file_->Truncate(segments_.segments() * segment_bytes());
}

void SpillFile::Release(std::uint32_t number) {
  if (!segments_.Release(number)) return;
  const std::uint32_t segment = number / segments_.records_per_segment();
  const std::uint32_t before = segments_.segments();
  segments_.DropFreeEnd();
  // Without it the segment keeps its room on the disk, and is used again all the same.
  if (segments_.segments() < before) {
    (void)file_->Truncate(segments_.segments() * segment_bytes());
  } else if (segments_.free_segments() > kKeptFree) {
    (void)file_->PunchHole(segment * segment_bytes(), segment_bytes());
  }
}

void SpillFile::StartRead(std::span<const std::uint32_t> numbers) {
  Order(numbers, started_);
  started_ += static_cast<std::uint32_t>(numbers.size());
  reader_.Add(wanted_);
}

Status SpillFile::FinishRead(std::span<const Key> keys, std::byte* rows) {
  CHECK_EQ(keys.size(), std::exchange(started_, 0));
  return reader_.Finish([&](const RecordReader::Wanted& wanted, const std::byte* record) {
    std::byte* row = rows + std::size_t{wanted.place} * row_bytes_;
    return Decode(wanted.number, &keys[wanted.place], record, nullptr, row);
  });
}

Status SpillFile::ReadSegment(std::uint32_t segment, Records* records) {
  segments_.LiveNumbers(segment, &records->numbers);
  records->keys.resize(records->numbers.size());
  records->rows.Resize(records->numbers.size() * row_bytes_);
  Order(records->numbers, 0);
  reader_.Add(wanted_);
  return reader_.Finish([&](const RecordReader::Wanted& wanted, const std::byte* record) {
    std::byte* row = &records->rows[std::size_t{wanted.place} * row_bytes_];
    return Decode(wanted.number, nullptr, record, &records->keys[wanted.place], row);
  });
}

void SpillFile::Order(std::span<const std::uint32_t> numbers, std::uint32_t first) {
  wanted_.resize(numbers.size());
  for (std::uint32_t i = 0; i < numbers.size(); ++i) {
    wanted_[i] = {.number = numbers[i], .place = first + i};
  }
  if (!std::ranges::is_sorted(wanted_)) std::ranges::sort(wanted_);
}

Status SpillFile::Decode(std::uint32_t number, const Key* key, const std::byte* record, Key* found,
                         std::byte* row) const {
  Key stored;
  std::uint32_t crc;
  std::memcpy(&stored, record, 8);
  std::memcpy(&crc, record + 8 + row_bytes_, 4);
  const bool sound = crc == RecordCrc(number, record, 8 + row_bytes_);
  if (!sound || (key != nullptr && *key != stored)) {
    return Status::BadData(name_ + ": record " + std::to_string(number) + " at offset " +
                           std::to_string(OffsetOf(number)) +
                           (sound ? " has key " + std::to_string(stored) : std::string(" has a wrong checksum")) +
                           (key != nullptr ? ", key " + std::to_string(*key) + " was expected" : "") +
                           ": the disk gives back other bytes than were written; restart the job from its checkpoint, "
                           "on another disk");
  }
  if (found != nullptr) *found = stored;
  std::memcpy(row, record + 8, row_bytes_);
  return {};
}

std::uint64_t SpillFile::file_bytes() const {
  const std::uint32_t kept = std::min(segments_.free_segments(), kKeptFree);
  return (segments_.segments() - segments_.free_segments() + kept) * segment_bytes();
}

Result<std::uint64_t> SpillFile::FreeBytes() const {
  const std::int64_t free = file_->FreeBytes();
  if (free < 0) return Status::Io(name_ + ": ask for the room left on the disk", static_cast<int>(-free));
  return static_cast<std::uint64_t>(free);
}

}  // namespace sherd
