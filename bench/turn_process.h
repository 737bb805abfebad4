#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/status.h"

namespace sherd::bench {

// A program that works a turn at a time, so that it can be measured in turns with what runs here: it waits for a line
// with seconds, works for about so long and answers with a line "units seconds cpu_seconds", what it did and what that
// took. Killed when this object goes. Thread-compatible.
class TurnProcess {
 public:
  // By /bin/sh; what it says but for its answers goes to our standard error.
  static Result<std::unique_ptr<TurnProcess>> Start(const std::string& command);
  ~TurnProcess();
  TurnProcess(const TurnProcess&) = delete;

  struct Turn {
    double units = 0, seconds = 0, cpu_seconds = 0;
  };
  // Unavailable: it has ended, or does not answer.
  Result<Turn> Run(double seconds);

 private:
  TurnProcess(std::string command, pid_t pid, int orders, int answers)
      : command_(std::move(command)), pid_(pid), orders_(orders), answers_(answers) {}
  Result<std::string> ReadLine() const;

  const std::string command_;
  const pid_t pid_;
  const int orders_, answers_;
};

}  // namespace sherd::bench
