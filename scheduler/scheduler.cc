#include "scheduler/scheduler.h"

#include "scheduler/scheduler_impl.h"

namespace sherd {

Scheduler::Scheduler(Network* network, SchedulerOptions options, ChunkSource* chunks, Observer* observer,
                     PredictionSink* predictions, RecommendationSink* recommendations)
    : impl_(std::make_unique<Impl>(network, std::move(options), chunks, observer, predictions, recommendations)) {}

Scheduler::~Scheduler() = default;

Result<std::string> Scheduler::Bind() { return impl_->Bind(); }

Status Scheduler::Run() { return impl_->Run(); }

void Scheduler::Lead(Leadership* leadership, const std::string& journal_dir) { impl_->Lead(leadership, journal_dir); }

bool Scheduler::replaced() const { return impl_->replaced(); }

void Scheduler::RequestStop() { impl_->RequestStop(); }

void Scheduler::RequestCheckpoint() { impl_->RequestCheckpoint(); }

}  // namespace sherd
