#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/status.h"
#include "launch/role_plan.h"
#include "net/chaos_network.h"

namespace sherd {

// What a drill does to a job. Its text is a list of entries, separated by commas:
//
//   kill:ROLE:TIME        one of that role is killed, TIME after the job has begun
//   stall:ROLE:TIME       one of that role is stopped for TIME (SIGSTOP, SIGCONT), ten seconds after the job has begun
//   … stall:ROLE:TIME:TIME  … or after the second TIME drop:SHARE            messages that are lost dup:SHARE messages
//   that come twice, the second time behind younger ones delay:TIME            every message is held for so long …
//   delay:TIME:SHARE      … or those alone, and what is behind them for the same peer
//   corrupt:SHARE         messages with a bit turned over on the way
//
// ROLE is server, worker, scheduler or spare, of which the seed chooses one, or server1, worker0: that one. TIME is
// 30s, 1.5s, 20ms, 2m; SHARE 1% or 0.01.
struct ChaosPlan {
  struct Act {
    proto::Role role = proto::SERVER;
    std::optional<std::uint32_t> index;  // none: the seed chooses
    std::chrono::milliseconds after{0};  // since the rank took up its role
    std::chrono::milliseconds stall{0};  // how long it is stopped; 0: it is killed
  };
  Faults faults;
  std::vector<Act> acts;

  // Those that befall one rank of a job.
  std::vector<Act> ActsOf(const RankRole& rank, const RolePlan& roles) const;
  // "kill server 1 after 30 s; drop 1 %; seed 7": with what the seed has chosen.
  std::string Text(const RolePlan& roles) const;

 private:
  std::uint32_t Victim(std::size_t act, const RolePlan& roles) const;
};

// Invalid: which entry, at which character, cannot be understood and what could stand there.
Result<ChaosPlan> ParseChaos(const std::string& text, const std::string& seed);

}  // namespace sherd
