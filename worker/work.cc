#include "worker/work.h"

#include <utility>

namespace sherd {

void Work::LetGoOfValues() {
  for (std::vector<Frame>& frames : values) frames.clear();
  for (Frame& frame : dense_values) frame = {};
}

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
  work->computed = false;
  work->unanswered = 0;
  work->staleness = 0;
  work->loss_sum = 0;
  return {work.release(), [free = free_](Work* done) {
            std::unique_ptr<Work> owned(done);
            owned->LetGoOfValues();
            std::lock_guard lock(free->mutex);
            free->works.push_back(std::move(owned));
          }};
}

}  // namespace sherd
