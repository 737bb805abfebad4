// Training on files that come while the job runs. All that has come by then is taken in
// at once, and goes the way of an epoch; then the job waits for more.
#include <algorithm>
#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {

bool Scheduler::Impl::follows() const {
  return options_.mode == SchedulerOptions::Mode::kTrain && options_.job.data().has_follow();
}

// Passes over the training files: none where there are only files to come.
std::uint32_t Scheduler::Impl::PlannedEpochs() const {
  return follows() && options_.job.data().train().empty() ? 0 : options_.job.train().epochs();
}

Status Scheduler::Impl::Follow() {
  if (!follows()) return {};
  following_ = true;
  observer_->OnMessage("following " + options_.job.data().follow().files());
  while (true) {
    if (resumed_.empty() && !epoch_taken_over_) {
      ASSIGN_OR_RETURN(const bool more, AwaitFiles());
      if (!more) return {};
    }
    RETURN_IF_ERROR(TrainEpoch());
  }
}

// Until there is a file to train on, whose chunks are the next epoch's then. False: none came for long enough.
Result<bool> Scheduler::Impl::AwaitFiles() {
  const proto::Follow& follow = options_.job.data().follow();
  const Deadline start = Clock::now();
  Deadline next_look = start;
  Result<std::vector<proto::Chunk>> found = std::vector<proto::Chunk>();
  waiting_for_files_ = true;
  const Status status = Until([&] {
    const Deadline now = Clock::now();
    // A cut's state names the files that the job has, and their positions.
    if (now < next_look || !CutTaken()) return false;
    next_look = now + Seconds(follow.look_every());
    found = chunks_->NewChunks(options_.workers, &followed_);
    return !found.ok() || !found->empty() ||
           (follow.idle_seconds() > 0 && now - start >= Seconds(follow.idle_seconds()));
  });
  waiting_for_files_ = false;
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(found.status());
  if (found->empty()) {
    observer_->OnMessage("no new file in " + std::to_string(static_cast<std::uint64_t>(follow.idle_seconds())) +
                         " s: the job ends");
    return false;
  }
  for (const proto::Chunk& chunk : *found) *resumed_.emplace_back().mutable_chunk() = chunk;
  return true;
}

Status Scheduler::Impl::EndIntake() {
  weights_epoch_ = ++epoch_;
  queue_.reset();
  return JournalRound(nullptr);
}

void Scheduler::Impl::ReportPeriod() {
  if (const auto report = periods_.Finished(std::chrono::system_clock::now())) observer_->OnPeriod(*report);
}

}  // namespace sherd
