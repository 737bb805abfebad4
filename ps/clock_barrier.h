#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "net/message.h"
#include "ps/clock_table.h"
#include "ps/gradient_sum.h"
#include "ps/request_view.h"
#include "ps/shard_store.h"

namespace sherd {

// BSP: keeps the pushes of a clock until every worker's is there, then makes one step of them all. For each key, and
// each dense block, the sums are added in the order of the workers' indexes, whatever the order they came in, and
// divided by the rows of all: the bits do not depend on timing nor on how keys are spread over shards. With
// dense_staleness 0 the same for the dense blocks alone, where rows are updated as pushes come. Thread-compatible.
class ClockBarrier {
 public:
  enum class Parts { kAll, kDense };

  ClockBarrier(ShardStore* store, Parts parts) : store_(store), parts_of_pushes_(parts), checker_(store) {}

  // A checked push. Of its frames only the parts are kept.
  void Add(std::uint32_t worker, const Message& push);

  // Applies the next clock if every live, unretired worker's push of it is there. False: it is not, or there is none.
  // Or there is no room for its rows: then trouble() says so, and it is tried again at the next call.
  bool ApplyClock(const ClockTable& clocks);
  const std::string& trouble() const { return trouble_; }

  void Clear() { waiting_.clear(); }
  bool empty() const {
    for (const auto& [worker, queue] : waiting_) {
      if (!queue.empty()) return false;
    }
    return true;
  }

  // The greatest job's time of the pushes applied so far. Those of one clock may differ in it; all of them are applied
  // at the greatest.
  std::uint32_t job_seconds() const { return job_seconds_; }
  void RestoreJobSeconds(std::uint32_t seconds) { job_seconds_ = seconds; }

 private:
  bool Apply(const std::vector<const Message*>& pushes);
  bool ApplyRows(const PushStep& step);
  Status Prepare();
  Status PrepareTable(std::uint32_t table);
  void ApplyTable(std::uint32_t table, const PushStep& step);
  void ApplyDense(float rows, float rate_scale);

  ShardStore* const store_;
  const Parts parts_of_pushes_;
  RequestChecker checker_;
  std::map<std::uint32_t, std::deque<Message>> waiting_;  // by worker, oldest first
  std::vector<RequestView> views_;                        // of the clock that is being applied, by worker
  std::vector<const SectionView*> parts_;
  std::vector<Key> keys_;
  GradientSum sum_;
  std::string trouble_;
  std::uint32_t job_seconds_ = 0;
};

}  // namespace sherd
