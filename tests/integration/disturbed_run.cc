#include "tests/integration/disturbed_run.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/integration/counting_job.h"

namespace sherd {

std::vector<pid_t> ProcessesOf(const Process& process, std::uint32_t rank) {
  return process.Descendants("OMPI_COMM_WORLD_RANK", std::to_string(rank));
}

ProcessResult RunDisturbed(TestJob* test, int ranks, const std::vector<std::string>& flags,
                           const Disturbance& disturbance) {
  const std::string metrics = test->Path("metrics");
  std::vector<std::string> arguments = {"train", test->Write(), "--metrics=" + metrics};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  Process process(UnderMpirun(ranks, arguments));
  if (!(disturbance.begun ? disturbance.begun() : WaitForEvent(metrics, "progress", 120))) {
    ADD_FAILURE() << "it did not begin: " << process.out() << process.err();
    return process.Wait(1);
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(disturbance.after));
  std::vector<pid_t> victims;
  for (const std::uint32_t rank : disturbance.ranks) {
    const std::vector<pid_t> found = ProcessesOf(process, rank);
    EXPECT_EQ(found.size(), 1u) << "rank " << rank << ": " << process.out() << process.err();
    victims.insert(victims.end(), found.begin(), found.end());
  }
  for (const pid_t pid : victims) ::kill(pid, disturbance.signal);
  if (disturbance.resume_after > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(disturbance.resume_after));
    for (const pid_t pid : victims) ::kill(pid, SIGCONT);
  }
  return process.Wait(200);
}

}  // namespace sherd
