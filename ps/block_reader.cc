#include "ps/block_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <thread>
#include <utility>

namespace sherd {
namespace {

// More under way gain nothing (*measured*), and what is beyond the disk's own queue costs the kernel a thread.
constexpr std::uint32_t kUnderWay = 192;

bool TryAgain(std::int64_t result) { return result == -EINTR || result == -EAGAIN || result == -EBUSY; }

}  // namespace

BlockReader::BlockReader(ScratchFile* file, std::string name, std::uint32_t slots, std::uint32_t max_bytes,
                         std::chrono::milliseconds deadline)
    : file_(file),
      name_(std::move(name)),
      max_bytes_(max_bytes),
      deadline_(deadline),
      slots_(slots),
      free_(slots),
      done_(slots) {
  CHECK_EQ(max_bytes % ScratchFile::kBlock, 0u);
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(ScratchFile::kBlock, std::size_t{slots} * max_bytes)));
  CHECK(memory_ != nullptr) << "no memory for reading " << name_;
  std::iota(free_.rbegin(), free_.rend(), 0);  // the lowest is taken first, so that small batches touch little memory
}

BlockReader::~BlockReader() {
  Forget();
  if (under_way_ == 0) return;
  // The disk may still write into it.
  LOG(ERROR) << name_ << ": " << under_way_ << " reads still have no answer; their memory is not given back";
  (void)memory_.release();
}

void BlockReader::Add(std::span<const Extent> extents) {
  extents_.insert(extents_.end(), extents.begin(), extents.end());
  QueueReads();
  if (under_way_ > 0) {
    if (Status status = WaitForSome(std::chrono::milliseconds(0)); trouble_.ok()) trouble_ = status;
  }
  StartMore();
}

Result<std::span<const BlockReader::Arrived>> BlockReader::Next() {
  CHECK(pending());
  FreeHanded();
  const Clock::time_point start = Clock::now();
  while (arrived_.empty() || !trouble_.ok()) {
    QueueReads();
    StartMore();
    Status status = std::exchange(trouble_, {});
    if (status.ok()) status = has_queue_ || under_way_ > 0 ? WaitForSome(deadline_) : ReadOne();
    if (status.ok() && arrived_.empty() && Clock::now() - start >= deadline_) {
      status = Status(ErrorCode::kIo, name_ + ": no answer to " + std::to_string(under_way_) + " reads for " +
                                          std::to_string(deadline_.count()) + " ms: is the disk stuck? (dmesg tells)");
    }
    if (!status.ok()) {
      Forget();
      return status;
    }
  }
  handed_.swap(arrived_);
  handed_count_ += static_cast<std::uint32_t>(handed_.size());
  QueueReads();
  StartMore();  // while the caller looks at these
  return std::span<const Arrived>(handed_);
}

void BlockReader::FreeHanded() {
  for (const Arrived& blocks : handed_) {
    free_.push_back(static_cast<std::uint32_t>((blocks.bytes.data() - memory_.get()) / max_bytes_));
  }
  handed_.clear();
}

std::span<std::byte> BlockReader::Memory(std::uint32_t slot, std::uint32_t bytes) const {
  return {memory_.get() + std::size_t{slot} * max_bytes_, bytes};
}

void BlockReader::QueueReads() {
  while (next_ < extents_.size() && !free_.empty()) {
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    slots_[slot] = {.extent = next_, .filled = 0};
    const Extent& extent = extents_[next_++];
    CHECK_LE(extent.bytes, max_bytes_);
    to_start_.push_back({.offset = extent.offset, .to = Memory(slot, extent.bytes), .tag = slot});
  }
}

void BlockReader::StartMore() {
  if (!has_queue_ || to_start_.empty()) return;
  if (under_way_ >= kUnderWay) return;
  const std::size_t count = std::min<std::size_t>(to_start_.size(), kUnderWay - under_way_);
  const std::int64_t started = file_->StartReads(std::span(to_start_).first(count));
  if (TryAgain(started)) return;
  if (started < 0) {
    has_queue_ = false;
    LOG(WARNING) << name_ << ": no io_uring (" << std::strerror(static_cast<int>(-started))
                 << "): rows are read one after the other, which is many times slower. Allow it by sysctl "
                    "kernel.io_uring_disabled=0, or in the container's seccomp profile";
    return;
  }
  under_way_ += static_cast<std::uint32_t>(started);
  to_start_.erase(to_start_.begin(), to_start_.begin() + started);
}

Status BlockReader::WaitForSome(std::chrono::milliseconds patience) {
  if (under_way_ == 0) {  // the system took none: it is short of memory for a moment
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {};
  }
  const std::int64_t count = file_->WaitReads(patience, done_);
  if (TryAgain(count)) return {};
  if (count < 0) return Status::Io(name_ + ": wait for reads", static_cast<int>(-count));
  under_way_ -= static_cast<std::uint32_t>(count);
  // All of them are taken, so that each slot is accounted for, whatever is wrong with one.
  Status first_error;
  for (const ScratchFile::Done& done : std::span(done_).first(static_cast<std::size_t>(count))) {
    if (Status status = Take(done); !status.ok() && first_error.ok()) first_error = status;
  }
  return first_error;
}

Status BlockReader::Take(const ScratchFile::Done& done) {
  const auto slot_number = static_cast<std::uint32_t>(done.tag);
  Slot& slot = slots_[slot_number];
  if (slot.extent == kForgotten) {
    free_.push_back(slot_number);
    return {};
  }
  const Extent& extent = extents_[slot.extent];
  if (done.result <= 0 && !TryAgain(done.result)) {
    const Status status = Fail(extent, slot_number, done.result);
    slot.extent = kForgotten;
    free_.push_back(slot_number);
    return status;
  }
  // A read goes on at a whole block.
  if (done.result > 0) slot.filled += static_cast<std::uint32_t>(done.result);
  if (slot.filled >= extent.bytes) {
    arrived_.push_back({.extent = slot.extent, .offset = extent.offset, .bytes = Memory(slot_number, extent.bytes)});
    return {};
  }
  slot.filled -= slot.filled % ScratchFile::kBlock;
  to_start_.push_back({.offset = extent.offset + slot.filled,
                       .to = Memory(slot_number, extent.bytes).subspan(slot.filled),
                       .tag = slot_number});
  return {};
}

Status BlockReader::ReadOne() {
  CHECK(!to_start_.empty());
  const ScratchFile::Read read = to_start_.back();
  to_start_.pop_back();
  return Take({.tag = read.tag, .result = file_->ReadNow(read.offset, read.to)});
}

Status BlockReader::Fail(const Extent& extent, std::uint32_t slot, std::int64_t result) const {
  const std::string where =
      name_ + ": read " + std::to_string(extent.bytes) + " bytes at offset " + std::to_string(extent.offset);
  if (result == 0) {
    return Status::BadData(where + ": the file ends after " + std::to_string(slots_[slot].filled) +
                           " of them: something cut it; restart the job from its checkpoint");
  }
  return Status::Io(where, static_cast<int>(-result));
}

void BlockReader::Forget() {
  for (const ScratchFile::Read& read : to_start_) free_.push_back(static_cast<std::uint32_t>(read.tag));
  to_start_.clear();
  FreeHanded();
  handed_.swap(arrived_);
  FreeHanded();
  trouble_ = {};
  for (Slot& slot : slots_) slot.extent = kForgotten;
  extents_.clear();
  next_ = 0;
  handed_count_ = 0;
  const Clock::time_point end = Clock::now() + deadline_;
  while (under_way_ > 0 && Clock::now() < end) {
    const Status ignored = WaitForSome(deadline_);
    if (!ignored.ok()) break;
  }
}

}  // namespace sherd
