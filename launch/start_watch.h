#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace sherd {

// Ends a rank that would wait for ever for one that was lost while MPI starts or ends, where MPI has no deadlines: when
// mpirun has fewer ranks on this host than it has started there, and when MPI takes longer than it was given.
// Thread-safe.
class StartWatch {
 public:
  // `die`, which must not return, is called on the watch's thread with the reason.
  explicit StartWatch(std::function<void(const std::string& reason)> die);
  ~StartWatch();

  // From now on MPI has so long for what it is at; 0: as long as it likes.
  void Allow(double seconds, const char* what);

 private:
  void Run();

  const std::function<void(const std::string&)> die_;
  std::atomic<bool> over_{false};
  std::atomic<std::int64_t> deadline_{0};  // of the steady clock, in nanoseconds; 0: none
  std::atomic<const char*> what_{""};
  std::thread thread_;
};

}  // namespace sherd
