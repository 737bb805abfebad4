#include "launch/convert/command.h"

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "launch/convert/conversion.h"
#include "launch/convert/crew.h"
#include "launch/mpi_bootstrap.h"
#include "launch/role_plan.h"

namespace sherd {
namespace {

// Those of this host, shared by the ranks on it.
Result<std::uint32_t> Threads(const std::string& flag) {
  if (flag.empty()) {
    const char* beside = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    return WorkerCores(beside == nullptr ? 1 : static_cast<std::uint32_t>(std::strtoul(beside, nullptr, 10)));
  }
  std::uint32_t threads = 0;
  const auto [end, error] = std::from_chars(flag.data(), flag.data() + flag.size(), threads);
  if (error != std::errc() || end != flag.data() + flag.size() || threads < 1 || threads > 1024) {
    return Status::Invalid("--threads: " + flag + " is not a number from 1 to 1024");
  }
  return threads;
}

}  // namespace

Status RunConvert(const JobRequest& request, SignalWatch* signals) {
  std::unique_ptr<RankGroup> group;
  if (RanksFromEnvironment() > 1) {
    ASSIGN_OR_RETURN(group, StartMpi([signals](const std::string& reason) { signals->End(reason); }));
  }
  const auto threads = Threads(request.convert.threads);  // the same command line on all ranks
  if (!threads.ok()) return RankFromEnvironment() == 0 ? threads.status() : Status();
  Crew crew(group.get(), *threads);
  signals->OnStop([&crew](const std::string& signal) { crew.Stop("ended by " + signal + "; nothing was written"); });
  const Status status = Conversion(request, &crew, &std::cout).Run();
  signals->OnStop(nullptr);
  return crew.rank() == 0 ? status : Status();
}

}  // namespace sherd
