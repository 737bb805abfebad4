#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace sherd {

// Sees how far the newest checkpoint of a job's folder is, by looking again and again. Thread-compatible.
class CheckpointWatch {
 public:
  enum class Stage { kFolder, kFile, kManifest };  // what of it is there: each after the one before

  // Checkpoints that are there already do not count.
  explicit CheckpointWatch(std::string dir);

  // Waits until `count` checkpoints have come to a stage, which is noticed some 0.1 ms later. False: `give_up` said so
  // first; it is asked some ten times a second.
  bool Wait(Stage stage, std::uint64_t count, const std::function<bool()>& give_up);
  // The number of the newest checkpoint whose manifest has been seen; 0: none.
  std::uint64_t newest_whole() const { return newest_whole_; }
  // What there is of the newest one now, as a word for a person: "nothing", "manifest.new".
  std::string Describe() const;

 private:
  bool Look(Stage stage, std::uint64_t count);

  const std::string dir_;
  std::uint64_t first_ = 0;  // number of the newest one at the beginning
  std::uint64_t newest_whole_ = 0;
};

}  // namespace sherd
