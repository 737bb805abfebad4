#include "ps/read_queue.h"

#include <liburing.h>

#include <algorithm>
#include <cerrno>

namespace sherd {

struct ReadQueue::Ring {
  io_uring ring;
  int descriptor;
  std::uint32_t unsubmitted = 0;  // entries that the kernel has not taken yet
};

ReadQueue::ReadQueue(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}

ReadQueue::~ReadQueue() { io_uring_queue_exit(&ring_->ring); }

std::unique_ptr<ReadQueue> ReadQueue::Open(int descriptor, int* error) {
  auto ring = std::make_unique<Ring>();
  ring->descriptor = descriptor;
  *error = -io_uring_queue_init(kDepth, &ring->ring, 0);
  if (*error != 0) return nullptr;
  return std::unique_ptr<ReadQueue>(new ReadQueue(std::move(ring)));
}

std::int64_t ReadQueue::Start(std::span<const ScratchFile::Read> reads) {
  std::int64_t started = 0;
  for (const ScratchFile::Read& read : reads) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_->ring);
    if (entry == nullptr) break;
    io_uring_prep_read(entry, ring_->descriptor, read.to.data(), static_cast<unsigned>(read.to.size()), read.offset);
    io_uring_sqe_set_data64(entry, read.tag);
    ++started;
  }
  ring_->unsubmitted += static_cast<std::uint32_t>(started);
  // An entry that the kernel does not take now stays in the ring: Wait offers it again.
  const int taken = io_uring_submit(&ring_->ring);
  if (taken > 0) ring_->unsubmitted -= static_cast<std::uint32_t>(taken);
  return started;
}

std::int64_t ReadQueue::Wait(std::chrono::milliseconds patience, std::span<ScratchFile::Done> done) {
  if (ring_->unsubmitted > 0) {
    const int taken = io_uring_submit(&ring_->ring);
    if (taken > 0) ring_->unsubmitted -= static_cast<std::uint32_t>(taken);
  }
  if (io_uring_cq_ready(&ring_->ring) == 0) {
    __kernel_timespec time{.tv_sec = patience.count() / 1000, .tv_nsec = patience.count() % 1000 * 1'000'000};
    io_uring_cqe* first = nullptr;
    const int error = io_uring_wait_cqe_timeout(&ring_->ring, &first, &time);
    if (error == -ETIME) return 0;
    if (error < 0) return error;
  }
  std::uint32_t count = 0;
  unsigned head;
  io_uring_cqe* entry;
  io_uring_for_each_cqe(&ring_->ring, head, entry) {
    if (count == done.size()) break;
    done[count++] = {.tag = entry->user_data, .result = entry->res};
  }
  io_uring_cq_advance(&ring_->ring, count);
  return count;
}

}  // namespace sherd
