#include "worker/data/sequence_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/data/chunk_cutter.h"

namespace sherd {

SequenceReader::SequenceReader(InteractionChunk chunk, const FeatureLayout& layout, EpochOrder::Rows users,
                               const std::vector<float>* log_shares, proto::Sequences::Targets targets)
    : chunk_(std::move(chunk)),
      encoder_(layout, &chunk_.interactions->users, &chunk_.interactions->items),
      users_(std::move(users)),
      log_shares_(log_shares),
      targets_(targets),
      minibatch_rows_(EvenRows(chunk_.chunk.end() - chunk_.chunk.begin(), chunk_.max_rows)),
      at_(std::min<std::uint64_t>(chunk_.chunk.end(), chunk_.chunk.begin() + chunk_.first_minibatch * minibatch_rows_)),
      minibatches_(chunk_.first_minibatch) {}

void SequenceReader::Begin(Minibatch* minibatch) {
  minibatch->epoch = chunk_.epoch;
  minibatch->chunk = chunk_.chunk.id();
  minibatch->index = minibatches_++;
  minibatch->file = chunk_.chunk.file();
  minibatch->ClearRows();
  minibatch->first_source = std::numeric_limits<std::uint64_t>::max();
  encoder_.Begin(minibatch);
}

Histories::Example SequenceReader::ExampleOf(std::uint32_t user) {
  if (targets_ == proto::Sequences::NEXT) return chunk_.histories->ExampleOf(user);
  const Histories::Events events = chunk_.histories->Before(proto::Chunk::EVAL, user);
  reversed_.assign(events.rbegin(), events.rend());
  return {events, reversed_};
}

void SequenceReader::Add(std::uint32_t user, Minibatch* minibatch) {
  const Histories::Example example = ExampleOf(user);
  encoder_.Add(user, example.history, example.next, minibatch);
  for (const Histories::Event& event : example.next) {
    minibatch->labels.push_back(1);
    minibatch->candidates.push_back(chunk_.interactions->items.hash(event.item));
    minibatch->log_shares.push_back((*log_shares_)[event.item]);
    minibatch->first_source = std::min<std::uint64_t>(minibatch->first_source, event.line);
    minibatch->last_source = std::max<std::uint64_t>(minibatch->last_source, event.line);
  }
  minibatch->row_ids.push_back(chunk_.interactions->users.hash(user));
  ++minibatch->rows;
}

Result<bool> SequenceReader::Next(Minibatch* minibatch) {
  const std::uint64_t end = chunk_.chunk.end();
  if (at_ >= end) return false;
  Begin(minibatch);
  for (const std::uint64_t stop = std::min(end, at_ + minibatch_rows_); at_ < stop; ++at_) {
    Add((*users_)[at_], minibatch);
  }
  minibatch->last_of_chunk = at_ >= end;
  return true;
}

}  // namespace sherd
