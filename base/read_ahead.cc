#include "base/read_ahead.h"

#include <glog/logging.h>

#include <algorithm>
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
      memory_(kBuffers * buffer_bytes) {
  CHECK(buffer_bytes % kPage == 0 && begin <= end);
  for (std::size_t i = 0; i < kBuffers; ++i) buffers_[i] = memory_.span().subspan(i * buffer_bytes_, buffer_bytes_);
  thread_ = std::thread([this] { Run(); });
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  changed_.notify_all();
  thread_.join();
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
  RETURN_IF_ERROR(file_.ReadAt(begin, buffer.first(wanted)));
  file_.Forget(begin, wanted);
  return {};
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
