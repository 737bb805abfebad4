#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "base/status.h"

namespace sherd {

struct PruneOptions {
  std::uint32_t keep = 1;        // the newest
  std::uint32_t keep_every = 0;  // 0: no others
  bool dry_run = false;          // only say what would go
};

// `sherd checkpoint prune`: deletes checkpoints of a job's folder by the rules that training goes by, and says which.
// The best one stays, and so does every file that one that stays is read from.
Status PruneCheckpoints(const std::string& job_dir, const PruneOptions& options, std::ostream& out);

}  // namespace sherd
