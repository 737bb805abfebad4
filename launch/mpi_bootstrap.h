#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "launch/rank_group.h"

namespace sherd {

// The one door to MPI.

// How many ranks mpirun has started, from the environment; 0: this is no run under mpirun, and MPI must not be touched.
std::uint32_t RanksFromEnvironment();
// This process's rank, from the environment; 0 without mpirun.
std::uint32_t RankFromEnvironment();

// Begins MPI. Destroying the group ends it (MPI_Finalize), which all ranks must do together and soon: from then on a
// rank that dies is no concern of MPI's. A group in which a wait has failed is abandoned instead, because MPI_Finalize
// would wait for the dead. While MPI starts and ends, where it has no deadlines, a rank that would wait for ever calls
// `die`, which must not return, on another thread.
Result<std::unique_ptr<RankGroup>> StartMpi(const std::function<void(const std::string& reason)>& die);

}  // namespace sherd
