#include "worker/work.h"

#include <utility>

namespace sherd {

WorkPtr WorkPool::Take() {
  std::unique_ptr<Work> work;
  {
    std::lock_guard lock(free_->mutex);
    if (!free_->works.empty()) {
      work = std::move(free_->works.back());
      free_->works.pop_back();
    }
  }
  if (work == nullptr) work = std::make_unique<Work>();
  work->ends_chunk = false;
  work->read_rows = work->bad_rows = 0;
  work->unanswered = 0;
  work->pulls.clear();
  work->staleness = 0;
  work->loss_sum = 0;
  return {work.release(), [free = free_](Work* done) {
            std::unique_ptr<Work> owned(done);
            for (std::vector<Frame>& frames : owned->values) frames.clear();
            std::lock_guard lock(free->mutex);
            free->works.push_back(std::move(owned));
          }};
}

}  // namespace sherd
