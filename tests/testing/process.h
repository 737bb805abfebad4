#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sherd {

struct ProcessResult {
  int exit_code = -1;    // 128 + the signal's number when a signal ended it; -1: it did not end in time and was killed
  std::string out, err;  // all that it and its children printed
  std::vector<pid_t> left;  // descendants that still lived two seconds after it had ended, and were killed then
};

// A program under test with everything it starts: descendants are known by a mark in their environment, so that none is
// lost by changing its group or its parent, and none outlives the test. Thread-compatible.
class Process {
 public:
  // Starts `command` (found by PATH) with `environment` added to ours, nothing on stdin, and its output in files of a
  // private folder.
  explicit Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  std::string out() const;
  std::string err() const;

  // Waits until `text` stands in the output. False: it did not within `seconds`, or the program has ended without it.
  bool WaitForOutput(const std::string& text, double seconds);
  // To the program and its process group, as Ctrl-C on a terminal does.
  void Signal(int signal);
  // The descendants that have `variable=value` in their environment (OMPI_COMM_WORLD_RANK=3, say).
  std::vector<pid_t> Descendants(const std::string& variable = "", const std::string& value = "") const;
  // Waits for the program's end; kills it and all it started after `seconds`.
  ProcessResult Wait(double seconds);

 private:
  bool Ended();
  void KillDescendants();

  std::string folder_;  // of the output
  std::string mark_;
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

// Starts `command` and waits for it.
ProcessResult RunProcess(const std::vector<std::string>& command, double seconds,
                         const std::map<std::string, std::string>& environment = {});

}  // namespace sherd
