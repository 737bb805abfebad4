#pragma once

#include <time.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sherd {

// What the processor time of one thread goes to, by parts of its work that it marks itself. A mark costs some hundred
// nanoseconds, so it goes around loops, not into them. Thread-compatible, but for seconds().
class CpuMeter {
 public:
  enum class Part { kOther, kProducts, kActivation, kPooling, kInteraction, kRowUpdate, kRowGather, kChecks };
  static constexpr std::size_t kParts = 8;

  // From here to the end of its life the thread is at this part, but for what scopes within it take. No meter: nothing.
  class Scope {
   public:
    Scope(CpuMeter* meter, Part part) : meter_(meter) {
      if (meter_ != nullptr) outer_ = meter_->Enter(part);
    }
    ~Scope() {
      if (meter_ != nullptr) meter_->Enter(outer_);
    }
    Scope(const Scope&) = delete;

   private:
    CpuMeter* const meter_;
    Part outer_ = Part::kOther;
  };

  // So far; of kOther: between scopes. Thread-safe.
  double seconds(Part part) const {
    return 1e-9 * static_cast<double>(nanoseconds_[static_cast<std::size_t>(part)].load(std::memory_order_relaxed));
  }

 private:
  // The part that the thread was at.
  Part Enter(Part part) {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    const std::int64_t now = std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    std::atomic<std::int64_t>& spent = nanoseconds_[static_cast<std::size_t>(part_)];
    if (since_ >= 0) spent.store(spent.load(std::memory_order_relaxed) + now - since_, std::memory_order_relaxed);
    since_ = now;
    const Part outer = part_;
    part_ = part;
    return outer;
  }

  Part part_ = Part::kOther;
  std::int64_t since_ = -1;  // -1: not begun
  std::array<std::atomic<std::int64_t>, kParts> nanoseconds_{};
};

}  // namespace sherd
