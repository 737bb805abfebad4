#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/status.h"
#include "proto/journal.pb.h"

namespace sherd {

// Within a job's folder of checkpoints; removed when the job ends.
inline constexpr char kLeadersFolder[] = "scheduler";

// Who is the job's scheduler, in a folder that all hosts see. Schedulers follow one another by terms. Of term 2 there
// are, in it, `term-000002` (a RecordFile with a proto::Leader), made by whoever was the first to, and `beat-000002`,
// which its holder writes again and again: so others see that it lives, however busy it is, and that it can reach the
// folder, without which nobody can be the scheduler.

// The one with the greatest term; nothing: there is none that has said where it is.
Result<std::optional<proto::Leader>> NewestLeader(const std::string& dir, std::uint64_t job);
// Of all that were ever taken, 0: none.
Result<std::uint32_t> GreatestTerm(const std::string& dir);
// Changes as long as the holder of the term lives; empty: it has not begun.
std::string BeatOf(const std::string& dir, std::uint32_t term);

// A term that this process holds, with a thread that says that it lives. Thread-safe.
class Leadership {
 public:
  // Takes the term of `leader`; nothing: somebody else has it.
  static Result<std::unique_ptr<Leadership>> Claim(const std::string& dir, const proto::Leader& leader,
                                                   std::chrono::milliseconds beat_every);
  ~Leadership() { End(); }
  // No more beats: the job is over.
  void End();

  std::uint32_t term() const { return term_; }
  // Unavailable: another process has taken a later term, so that this one must do nothing more in the job's name.
  // `Check` looks now, `lost` is what was seen last.
  Status Check();
  bool lost() const { return lost_; }

 private:
  Leadership(std::string dir, std::uint32_t term, std::chrono::milliseconds beat_every);
  void Beat();

  const std::string dir_;
  const std::uint32_t term_;
  const std::chrono::milliseconds beat_every_;
  std::atomic<bool> lost_ = false;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace sherd
