// How a scheduler takes up the job of another one that is lost: docs/fault_tolerance.md, "The scheduler".
#include <algorithm>
#include <utility>

#include "scheduler/scheduler_impl.h"
#include "scheduler/surveyed_ranges.h"

namespace sherd {
namespace {

Status VerdictOf(const proto::Finished& finished) {
  if (finished.ok()) return {};
  return {static_cast<ErrorCode>(finished.code()), finished.text()};
}

template <typename Ranks>
std::ptrdiff_t LostWorkers(const Ranks& lost) {
  return std::ranges::count_if(lost, [](const proto::LostRank& rank) { return rank.role() == proto::WORKER; });
}

std::uint64_t ReadRows(const proto::JobState& state) {
  std::uint64_t rows = 0;
  for (const proto::ChunkPosition& position : state.chunk()) rows += position.read_rows();
  return rows;
}

std::uint64_t BadRowsOf(const proto::JobState& state) {
  std::uint64_t rows = 0;
  for (const proto::ChunkPosition& position : state.chunk()) rows += position.bad_rows();
  return rows;
}

std::uint64_t TrainedRows(const proto::JobState& state) {
  std::uint64_t rows = 0;
  for (const proto::ChunkPosition& position : state.chunk()) rows += position.rows();
  return rows;
}

}  // namespace

// First all ranks that are left come here, and so listen to nobody else; what the journal says then stays so, whatever
// the scheduler before may still think that it is. Then the shards say what they have, and all goes on.
Status Scheduler::Impl::TakeOver() {
  start_ = Clock::now();
  // What workers still send of an evaluation that the scheduler before has begun has another number.
  evaluations_ = (options_.term - 1) << 20;
  ASSIGN_OR_RETURN(const proto::SchedulerState first, ReadJournal(journal_dir_, options_.term));
  if (first.not_begun()) {
    observer_->OnMessage("took the job over before it had begun");
    return {};
  }
  RETURN_IF_ERROR(AwaitRanks(first));
  if (!AnyRankLeft()) return Status::Unavailable("no rank of the job is left: begin it again by --resume");
  ASSIGN_OR_RETURN(proto::SchedulerState state, ReadJournal(journal_dir_, options_.term));
  for (const proto::LostRank& lost : state.lost()) membership_.Expel(lost.role(), lost.index());
  MakePlaces();
  lost_.assign(state.lost().begin(), state.lost().end());
  placement_.Restore(state.placement());
  restore_point_ = state.restore_point();
  RETURN_IF_ERROR(Journaled(journal_.Begin(state)));
  RETURN_IF_ERROR(Journaled(RemoveJournalsBefore(journal_dir_, options_.term)));
  if (state.has_finished()) {  // some may have heard of it, and be gone
    concluded_ = VerdictOf(state.finished());
    return calls_.TakeMap(placement_.Map()).Annotate("connect to the shards");
  }
  RETURN_IF_ERROR(LoseAbsent());
  RETURN_IF_ERROR(TakeOverShards(state));
  observer_->OnMessage("took the job over in epoch " + std::to_string(epoch_ + 1) + " after " + std::to_string(rows_) +
                       " rows");
  Welcome();
  taken_over_ = true;
  return {};
}

bool Scheduler::Impl::AllRejoined() const {
  return membership_.complete() && std::ranges::all_of(placement_.Hosts(), [&](const ShardPlacement::Host& host) {
           return membership_.registered(host.role, host.index) || membership_.expelled(host.role, host.index);
         });
}

// They find out by themselves that the scheduler is gone, and then look for another one.
Status Scheduler::Impl::AwaitRanks(const proto::SchedulerState& state) {
  for (std::uint32_t worker = 0; worker < state.worker_places(); ++worker) membership_.AddPlace(proto::WORKER, worker);
  for (const proto::LostRank& lost : state.lost()) membership_.Expel(lost.role(), lost.index());
  MakePlaces();
  placement_.Restore(state.placement());
  const double timeouts = state.has_finished() ? 1 : 3;
  const Deadline deadline =
      Clock::now() + Seconds(timeouts * options_.job.cluster().heartbeat_timeout()) + std::chrono::seconds(2);
  return Until([&] { return AllRejoined() || Clock::now() >= deadline; });
}

bool Scheduler::Impl::AnyRankLeft() const {
  const auto any = [this](proto::Role role) {
    return std::ranges::any_of(membership_.Registered(role),
                               [](const proto::Register& body) { return body.has_host(); });
  };
  return any(proto::SERVER) || any(proto::WORKER);
}

Status Scheduler::Impl::LoseAbsent() {
  const std::string kAbsent = "lost (it did not come to the scheduler that took over): ";
  for (const ShardPlacement::Host& host : placement_.Hosts()) {
    if (membership_.registered(host.role, host.index)) continue;
    RETURN_IF_ERROR(LoseServer(host, kAbsent + membership_.NameOf(host.role, host.index)));
  }
  for (const std::uint32_t worker : membership_.LiveWorkers()) {
    if (membership_.registered(proto::WORKER, worker)) continue;
    const std::string what = kAbsent + membership_.NameOf(proto::WORKER, worker);
    RETURN_IF_ERROR(JournalLost(proto::WORKER, worker, membership_.Expel(proto::WORKER, worker)));
    if (membership_.LiveWorkers().empty()) return Status::Unavailable(what + "; no worker is left");
    observer_->OnMessage(what + "; the others take over its work");
  }
  return {};
}

Status Scheduler::Impl::TakeOverShards(const proto::SchedulerState& state) {
  const std::vector<proto::Register> servers = membership_.Registered(proto::SERVER);
  for (std::uint32_t i = 0; i < servers.size(); ++i) placement_.AddRoom({proto::SERVER, i}, servers[i]);
  AddRoomOfSpares();
  GoOnFrom(state.job());
  if (state.has_started()) resumed_.clear();  // it is in the queue
  if (state.has_started()) started_ = state.started();
  best_dir_ = state.best_dir();
  weights_epoch_ = state.weights_epoch();
  lost_updates_ = state.lost_updates();
  if (SparesHaveRoom(options_.job.cluster())) {
    // A replica that was being made is none by the next map, wherever it was.
    placement_.Renew();
    freed_ = placement_.Rooms();
    RETURN_IF_ERROR(TellShardsOfMap());
    RETURN_IF_ERROR(Until([this] { return placement_.gone().empty() && untold_replicas_ == 0; }));
  }
  told_map_ = placement_.Map();
  RETURN_IF_ERROR(calls_.TakeMap(told_map_).Annotate("connect to the shards"));

  const proto::TakeOver body = StandOfShards();
  std::vector<Message> answers;
  RETURN_IF_ERROR(CallAllShards(proto::TAKE_OVER, &body, request_timeout_, &answers));
  std::vector<std::vector<proto::ChunkRange>> applied;
  for (std::size_t shard = 0; shard < answers.size(); ++shard) {
    proto::TakenOver taken;
    RETURN_IF_ERROR(ParseBody(answers[shard], &taken).Annotate("shard " + std::to_string(shard)));
    last_cut_ = std::max(last_cut_, taken.cut());
    earlier_seconds_ = std::max<double>(earlier_seconds_, taken.job_seconds());
    applied.emplace_back(taken.applied().begin(), taken.applied().end());
  }
  return state.has_started() ? GoOnWithEpoch(state, std::move(applied)) : Status();
}

// What each of them has to know, though one may have been made since.
proto::TakeOver Scheduler::Impl::StandOfShards() const {
  proto::TakeOver body;
  for (const proto::LostRank& lost : lost_) {
    if (lost.role() != proto::WORKER) continue;
    proto::TakeOver::Lost* const fence = body.add_lost();
    fence->set_worker(lost.index());
    fence->set_incarnation(lost.successor());
  }
  if (started_.has_value()) *body.mutable_start() = *started_;
  return body;
}

Status Scheduler::Impl::GoOnWithEpoch(const proto::SchedulerState& state,
                                      std::vector<std::vector<proto::ChunkRange>> applied) {
  round_ = state.started().round();
  clock_ = state.started().clock();
  EpochSurvey survey{.begin = {state.job().chunk().begin(), state.job().chunk().end()},
                     .done = {state.done().begin(), state.done().end()},
                     .leases = {},
                     .applied = std::move(applied)};
  // Who has not heard of the round yet has nothing of it.
  std::erase_if(stands_, [&](const auto& stand) {
    return stand.second.epoch() != epoch_ || stand.second.round() != round_ ||
           membership_.expelled(proto::WORKER, stand.first);
  });
  for (const auto& [worker, stand] : stands_) survey.leases[worker] = {stand.lease().begin(), stand.lease().end()};
  ASSIGN_OR_RETURN(const auto ranges, RangesOf(survey));
  const bool lost_one = state.lost_in_epoch() || LostWorkers(lost_) > LostWorkers(state.lost());
  const bool round_robin = options_.job.train().consistency() == proto::Train::BSP && !lost_one;
  const ChunkQueue::Options options{
      .dealing = round_robin ? ChunkQueue::Dealing::kRoundRobin : ChunkQueue::Dealing::kOnDemand,
      .workers = membership_.LiveWorkers(),
      .batch_size = options_.job.train().batch_size()};
  ASSIGN_OR_RETURN(queue_, ChunkQueue::Restore(ranges, options));
  PreferLocalFiles();
  const RowCounts& counts = queue_->counts();
  rows_resumed_ = state.rows_resumed();
  rows_before_ = rows_ - std::min(rows_, TrainedRows(state.job()));
  rows_ = rows_before_ + counts.trained;
  (void)bad_rows_.Add(0, state.read_rows() + counts.read - ReadRows(state.job()),
                      state.bad_rows() + counts.bad - BadRowsOf(state.job()), {});

  ended_.assign(ended_.size(), false);
  last_moved_ = epoch_start_ = Clock::now();
  clocks_.StartEpoch(clock_, last_moved_);
  for (const std::uint32_t worker : membership_.LiveWorkers()) {
    if (std::ranges::count(state.started().worker(), worker) == 0) newcomers_.insert(worker);
  }
  RetireAbsent();
  for (const auto& [worker, stand] : stands_) TakeStand(worker, stand);
  meter_.Start(epoch_start_);
  epoch_taken_over_ = epoch_open_ = true;
  return {};
}

void Scheduler::Impl::TakeStand(std::uint32_t worker, const proto::WorkerStand& stand) {
  clocks_.Report(worker, stand.clock());
  ended_[worker] = stand.ended();
  if (stand.retired()) Retire(worker);
}

}  // namespace sherd
