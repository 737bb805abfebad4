#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "ps/scratch_file.h"

namespace sherd {

// A scratch file on which chosen calls fail or come short. What it breaks is set through a Faults that outlives it.
class FaultyScratchFile : public ScratchFile {
 public:
  struct Faults {
    std::int64_t calls = 0;     // writes and reads so far
    std::int64_t fail_at = -1;  // the call that fails, by its number
    std::int64_t error = -EIO;  // and how
    std::int64_t room = -1;     // whole blocks, the bytes that the file can grow to; or any
    bool short_calls = false;   // every other write and read does half of what it should
    bool queue_fails = false;   // no io_uring
    bool stuck = false;         // no read is ever done
    std::uint64_t end = 0;      // of what has been written
  };

  FaultyScratchFile(std::unique_ptr<ScratchFile> inner, Faults* faults) : inner_(std::move(inner)), faults_(faults) {}

  std::int64_t Write(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (Fails()) return faults_->error;
    const auto room = static_cast<std::uint64_t>(faults_->room);
    if (faults_->room >= 0 && offset + bytes.size() > room) {
      if (offset >= room) return -ENOSPC;
      bytes = bytes.first(room - offset);
    }
    const std::int64_t written = inner_->Write(offset, bytes.first(Length(bytes.size())));
    if (written > 0) faults_->end = std::max(faults_->end, offset + static_cast<std::uint64_t>(written));
    return written;
  }
  std::int64_t ReadNow(std::uint64_t offset, std::span<std::byte> bytes) override {
    if (Fails()) return faults_->error;
    return inner_->ReadNow(offset, bytes.first(Length(bytes.size())));
  }
  std::int64_t StartReads(std::span<const Read> reads) override {
    if (faults_->queue_fails) return -ENOSYS;
    if (faults_->stuck) return static_cast<std::int64_t>(reads.size());
    std::vector<Read> changed(reads.begin(), reads.end());
    for (Read& read : changed) read.to = read.to.first(Length(read.to.size()));
    return inner_->StartReads(changed);
  }
  std::int64_t WaitReads(std::chrono::milliseconds patience, std::span<Done> done) override {
    if (faults_->stuck) return 0;
    const std::int64_t count = inner_->WaitReads(patience, done);
    for (std::int64_t i = 0; i < count; ++i) {
      if (Fails()) done[static_cast<std::size_t>(i)].result = faults_->error;
    }
    return count;
  }
  std::int64_t PunchHole(std::uint64_t offset, std::uint64_t bytes) override {
    return inner_->PunchHole(offset, bytes);
  }
  std::int64_t Truncate(std::uint64_t bytes) override {
    faults_->end = std::min(faults_->end, bytes);
    return inner_->Truncate(bytes);
  }
  std::int64_t FreeBytes() override { return inner_->FreeBytes(); }

 private:
  bool Fails() { return faults_->calls++ == faults_->fail_at; }
  // Whole blocks, since the file below takes no others.
  std::size_t Length(std::size_t bytes) const {
    if (!faults_->short_calls || bytes < 2 * kBlock || faults_->calls % 2 == 0) return bytes;
    return bytes / 2 / kBlock * kBlock;
  }

  const std::unique_ptr<ScratchFile> inner_;
  Faults* const faults_;
};

}  // namespace sherd
