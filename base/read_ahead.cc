#include "base/read_ahead.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sherd {
namespace {

constexpr std::uint64_t kPage = 4096;

}  // namespace

ReadAhead::ReadAhead(const FileReader& file, std::uint64_t begin, std::uint64_t end, std::size_t buffer_bytes)
    : file_(file),
      end_(end),
      buffer_bytes_(buffer_bytes),
      first_page_(begin / kPage * kPage),
      position_(begin),
      direct_(file.OpenDirect()),
      memory_(kBuffers * buffer_bytes + kPage) {
  CHECK(buffer_bytes % kPage == 0 && begin <= end);
  std::size_t at = kPage - reinterpret_cast<std::uintptr_t>(memory_.data()) % kPage;
  for (std::span<std::byte>& buffer : buffers_) {
    buffer = memory_.span().subspan(at, buffer_bytes_);
    at += buffer_bytes_;
  }
  thread_ = std::thread([this] { Run(); });
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (direct_ >= 0) close(direct_);
}

void ReadAhead::Run() {
  for (std::uint64_t number = 0; first_page_ + number * buffer_bytes_ < end_; ++number) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return filled_ - taken_ < kBuffers || cancelled_; });
      if (cancelled_) return;
    }
    Status status = Fill(first_page_ + number * buffer_bytes_, buffers_[number % kBuffers]);
    const bool ok = status.ok();
    {
      const std::lock_guard lock(mutex_);
      if (ok) ++filled_;
      status_ = std::move(status);
    }
    changed_.notify_all();
    if (!ok) return;
  }
}

// The part of the buffer that is before the end.
Status ReadAhead::Fill(std::uint64_t begin, std::span<std::byte> buffer) {
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end_ - begin));
  std::size_t done = 0;
  // Whole pages are asked for, and short reads go on from one: the file's end is on none.
  while (direct_ >= 0 && done < wanted) {
    const ssize_t n = pread(direct_, buffer.data() + done, buffer.size() - done, static_cast<off_t>(begin + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
    if (n % static_cast<ssize_t>(kPage) != 0) break;
  }
  return done >= wanted ? Status() : file_.ReadAt(begin + done, buffer.subspan(done, wanted - done));
}

Status ReadAhead::Read(std::span<std::byte> bytes) {
  CHECK_LE(bytes.size(), end_ - position_);
  while (!bytes.empty()) {
    const std::uint64_t number = (position_ - first_page_) / buffer_bytes_;
    if (number >= ready_) {
      std::unique_lock lock(mutex_);
      taken_ = number;
      changed_.notify_all();
      changed_.wait(lock, [&] { return filled_ > number || !status_.ok(); });
      ready_ = filled_;
      if (filled_ <= number) return status_;
    } else if (number > taken_) {
      const std::lock_guard lock(mutex_);
      taken_ = number;
      changed_.notify_all();
    }
    const std::size_t offset = static_cast<std::size_t>((position_ - first_page_) % buffer_bytes_);
    const std::size_t n = std::min(bytes.size(), buffer_bytes_ - offset);
    std::memcpy(bytes.data(), &buffers_[number % kBuffers][offset], n);
    bytes = bytes.subspan(n);
    position_ += n;
  }
  return {};
}

}  // namespace sherd
