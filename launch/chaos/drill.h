#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "launch/chaos/plan.h"
#include "launch/job_request.h"
#include "launch/role_plan.h"
#include "net/chaos_network.h"

namespace sherd {

// What --chaos does to one rank: its messages suffer on a network of their own, and a thread kills or stops the process
// when the plan says so. Without --chaos it is nothing but the network it was given. Confined to the thread that made
// it.
class ChaosDrill {
 public:
  // `network` must outlive it. The text of the plan has been found good when the flags were read; the scheduler says
  // what is going to happen.
  static std::unique_ptr<ChaosDrill> Make(const JobRequest& request, const RolePlan& roles, const RankRole& rank,
                                          Network* network);
  ~ChaosDrill();

  // What the rank is to use.
  Network* network() { return chaos_ ? chaos_.get() : network_; }
  // The plan's times count from now on.
  void Begin();

 private:
  explicit ChaosDrill(Network* network) : network_(network) {}
  void Run();

  Network* const network_;
  std::unique_ptr<Network> chaos_;
  std::vector<ChaosPlan::Act> acts_;  // by time
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace sherd
