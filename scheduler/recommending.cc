// Recommending: lists of all chunks, and, where they are to be explained, the shares of each of their places.
#include <glog/logging.h>

#include <utility>

#include "scheduler/scheduler_impl.h"

namespace sherd {
namespace {

std::span<const std::uint32_t> SpanOf(const google::protobuf::RepeatedField<std::uint32_t>& field) {
  return {field.data(), static_cast<std::size_t>(field.size())};
}

RecommendedLists ListsOf(const ChunkResult& result) {
  return {.lengths = SpanOf(result.body.list_length()),
          .items = result.groups.As<std::uint64_t>(),
          .scores = result.scores.As<float>()};
}

}  // namespace

Status Scheduler::Impl::Recommend() {
  CHECK_NOTNULL(recommendations_);
  RETURN_IF_ERROR(Evaluate(proto::Chunk::TEST, 0).status());
  if (options_.job.recommend().explain()) RETURN_IF_ERROR(Explain());
  RETURN_IF_ERROR(recommendations_->Finish().Annotate("write recommendations"));
  DoneReport done;
  done.rows = predicted_rows_;
  done.seconds = SecondsSoFar();
  Done(std::move(done));
  return {};
}

// The chunks once more, with their lists.
Status Scheduler::Impl::Explain() {
  ASSIGN_OR_RETURN(auto chunks, chunks_->Chunks(proto::Chunk::TEST, epoch_, options_.workers));
  CHECK_EQ(chunks.size(), unexplained_.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const RecommendedLists lists = ListsOf(unexplained_[i]);
    chunks[i].mutable_list_length()->Add(lists.lengths.begin(), lists.lengths.end());
    for (const std::uint64_t item : lists.items) chunks[i].add_listed(static_cast<std::uint32_t>(item));
  }
  explaining_ = true;
  return Await(std::move(chunks));
}

Status Scheduler::Impl::TakeLists(const ChunkResult& result) {
  if (!explaining_) {
    if (!result.body.share_count().empty()) return Status::BadData("shares of lists that are not there yet");
    predicted_rows_ += result.body.list_length_size();
    if (options_.job.recommend().explain()) {
      unexplained_.push_back(result);
      return {};
    }
    return recommendations_->Write(ListsOf(result)).Annotate("write recommendations");
  }
  const ChunkResult listed = std::move(unexplained_.front());
  unexplained_.pop_front();
  RecommendedLists lists = ListsOf(listed);
  lists.share_counts = SpanOf(result.body.share_count());
  lists.shares = result.scores.As<float>();
  if (lists.share_counts.size() != lists.items.size()) {
    return Status::BadData(std::to_string(lists.share_counts.size()) + " places are explained of lists with " +
                           std::to_string(lists.items.size()));
  }
  return recommendations_->Write(lists).Annotate("write recommendations");
}

}  // namespace sherd
