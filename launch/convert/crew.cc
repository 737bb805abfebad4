#include "launch/convert/crew.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <thread>
#include <vector>

namespace sherd {
namespace {

constexpr std::chrono::milliseconds kTick{50};
constexpr double kAnswerSeconds = 60;  // a rank that says nothing for so long is lost

class OneRank : public RankGroup {
 public:
  std::uint32_t rank() const override { return 0; }
  std::uint32_t size() const override { return 1; }
  Status Broadcast(std::string*, double) override { return {}; }
  Result<std::vector<std::string>> Gather(const std::string& text, double) override { return std::vector{text}; }
};

// What a rank says of itself: "W" at work, "D" done; then, if it has failed, its error's code and text.
std::string Report(bool done, const Status& status) {
  std::string report = done ? "D" : "W";
  if (status.ok()) return report;
  return report + static_cast<char>('0' + static_cast<int>(status.code())) + status.text();
}

Status StatusIn(const std::string& report) {
  if (report.size() < 2) return {};
  return {static_cast<ErrorCode>(report[1] - '0'), report.substr(2)};
}

}  // namespace

// One rank's threads, at one piece of work after another.
class Crew::Shift {
 public:
  Shift(const Crew& crew, std::size_t count, const std::function<Status(std::size_t)>& work)
      : crew_(crew), work_(work) {
    const std::size_t own = count > crew.rank() ? (count - crew.rank() - 1) / crew.ranks() + 1 : 0;
    working_ = static_cast<std::uint32_t>(std::min<std::size_t>(crew.threads(), own));
    for (std::uint32_t i = working_; i > 0; --i) threads_.emplace_back([this, own] { Work(own); });
  }
  ~Shift() {
    for (std::thread& thread : threads_) thread.join();
  }

  // Waits a little; is all done?
  bool Await() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kTick, [this] { return working_ == 0; });
  }
  Status status() {
    std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  void Work(std::size_t own) {
    for (std::size_t k; !crew_.stopping_ && (k = next_++) < own;) {
      const Status status = work_(crew_.rank() + k * crew_.ranks());
      if (status.ok()) continue;
      std::lock_guard lock(mutex_);
      if (status_.ok()) status_ = status;
      next_ = own;
    }
    std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_all();
  }

  const Crew& crew_;
  const std::function<Status(std::size_t)>& work_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint32_t working_;
  Status status_;  // the first that was bad
  std::vector<std::thread> threads_;
};

Crew::Crew(RankGroup* group, std::uint32_t threads)
    : alone_(group == nullptr ? std::make_unique<OneRank>() : nullptr),
      group_(group == nullptr ? alone_.get() : group),
      threads_(threads) {}

Crew::~Crew() = default;

void Crew::Stop(const std::string& reason) {
  std::lock_guard lock(mutex_);
  if (reason_.empty()) reason_ = reason;
  stopping_ = true;
}

Status Crew::Run(std::size_t count, const std::function<Status(std::size_t)>& work) {
  Status first;
  Shift shift(*this, count, work);
  for (bool all_done = false; !all_done;) {
    const bool done = shift.Await();
    Status own = shift.status();
    // What the threads say when they are stopped is less than why.
    if (stopping_ && (own.ok() || own.code() == ErrorCode::kStopped)) {
      std::lock_guard lock(mutex_);
      own = Status::Stopped(reason_);
    }
    const auto reports = group_->Gather(Report(done, own), kAnswerSeconds);
    if (!reports.ok()) {
      Stop("another rank is lost");
      return reports.status();
    }
    all_done = true;
    first = Status();
    for (const std::string& report : *reports) {
      all_done = all_done && report[0] == 'D';
      if (first.ok()) first = StatusIn(report);
    }
    if (!first.ok() && !stopping_) Stop(first.text());
  }
  return first;
}

}  // namespace sherd
