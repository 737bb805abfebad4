#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace sherd {

// Turns signals into calls on a thread of its own, and notices when the parent (mpirun) has gone: SIGINT, SIGTERM and
// SIGUSR2, which mpirun passes on where it would act on the others itself, ask for the end of the job, SIGUSR1 for a
// checkpoint. Made before any other thread, which all inherit that the signals are blocked for them. Thread-safe.
class SignalWatch {
 public:
  // The program ends at once by `die`, with the reason, on a signal to end before there is an `OnStop`, on a second
  // SIGINT, and, with `watch_parent`, when the parent is no more. `die` must not return. What comes within half a
  // second of the first signal is taken for the same request.
  SignalWatch(bool watch_parent, std::function<void(const std::string& reason)> die);
  ~SignalWatch();

  // From now on the first signal calls `stop` (on the watch's thread); nothing: back to ending at once. `stop` must not
  // wait or call the watch; it is not called any more once another one has been set.
  void OnStop(std::function<void(const std::string& signal)> stop);
  // From now on SIGUSR1 calls `checkpoint`, by the same rules; without, it means nothing.
  void OnCheckpoint(std::function<void()> checkpoint);
  // From now on SIGTERM calls `leave`, by the same rules, and does nothing else.
  void OnLeave(std::function<void()> leave);
  // From now on signals to end only start a clock: the program ends that long after the first one if it still runs
  // then. Less than 0: from now on they do not.
  void EndLater(double seconds);
  // The program ends by `die`, now.
  void End(const std::string& reason) const { die_(reason); }

 private:
  void Watch();
  void Handle(int signal);
  void AskForCheckpoint();

  const std::function<void(const std::string&)> die_;
  const bool watch_parent_;
  const int parent_;
  std::atomic<bool> done_{false};
  std::mutex mutex_;
  std::function<void(const std::string&)> stop_;
  std::function<void()> checkpoint_, leave_;
  double grace_seconds_ = -1;  // EndLater
  std::chrono::steady_clock::time_point end_at_ = std::chrono::steady_clock::time_point::max();
  std::optional<std::chrono::steady_clock::time_point> first_signal_;     // that asked to stop
  std::optional<std::chrono::steady_clock::time_point> last_checkpoint_;  // that was asked for
  int interrupts_ = 0;
  std::thread thread_;
};

}  // namespace sherd
