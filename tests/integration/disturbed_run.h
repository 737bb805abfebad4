#pragma once

#include <signal.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/integration/job_run.h"

namespace sherd {

// Some ranks get `signal` so many seconds after training began, or after `begun` has waited for another moment: false,
// it did not come.
struct Disturbance {
  std::vector<std::uint32_t> ranks;
  int signal = SIGKILL;
  double after = 0.3;
  double resume_after = 0;  // SIGCONT, if not 0
  std::function<bool()> begun = {};
};

// `sherd train` of the job under mpirun with so many ranks, its metrics in test->Path("metrics"), to its end.
ProcessResult RunDisturbed(TestJob* test, int ranks, const std::vector<std::string>& flags,
                           const Disturbance& disturbance);

// The processes of a running job's rank.
std::vector<pid_t> ProcessesOf(const Process& process, std::uint32_t rank);

}  // namespace sherd
