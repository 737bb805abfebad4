#pragma once

#include <time.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/bounded_queue.h"
#include "proto/wire.pb.h"

namespace sherd {

// Where the time of a stage's thread goes. The thread says what it is at; another one may take the sums. Thread-safe.
class StageClock {
 public:
  enum class State { kWorks, kWaitsForInput, kWaitsForOutput };

  // On the thread itself, at its begin and its end.
  void Start();
  void Stop();
  void Enter(State state);
  // Adds what has passed since the last call.
  void Take(proto::StageTime* time);

 private:
  void Settle();
  double CpuSeconds() const;

  std::mutex mutex_;
  bool running_ = false;
  State state_ = State::kWorks;
  std::chrono::steady_clock::time_point since_;  // not yet in seconds_
  std::array<double, 3> seconds_{};              // by state
  clockid_t cpu_clock_ = 0;                      // of the thread
  double cpu_ = 0, cpu_taken_ = 0;               // seconds since its start
};

// The clocks of all stages. Made before the threads; Take is thread-safe.
class StageClocks {
 public:
  // Another thread of the stage, which is a new one if its name is not that of the last.
  StageClock* Add(const std::string& name);
  void Take(proto::Progress* progress);

 private:
  std::list<std::pair<std::string, StageClock>> clocks_;
};

// The queue's Push and Pop by a stage's thread.
template <typename T>
bool Push(BoundedQueue<T>* queue, T value, StageClock* clock) {
  clock->Enter(StageClock::State::kWaitsForOutput);
  const bool pushed = queue->Push(std::move(value));
  clock->Enter(StageClock::State::kWorks);
  return pushed;
}
template <typename T>
std::optional<T> Pop(BoundedQueue<T>* queue, StageClock* clock) {
  clock->Enter(StageClock::State::kWaitsForInput);
  std::optional<T> value = queue->Pop();
  clock->Enter(StageClock::State::kWorks);
  return value;
}

}  // namespace sherd
