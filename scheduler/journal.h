#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/record_file.h"
#include "base/status.h"
#include "proto/journal.pb.h"

namespace sherd {

// What a scheduler has to have on disk before it does something that another one, after it, could not find out by
// asking the ranks: which round of which epoch is under way, who is lost, who has which shard, and which chunks the
// shards have been told to forget. One file a term, in the folder of base/leadership.h. Thread-compatible.
class Journal {
 public:
  // Of a scheduler that writes none.
  Journal() = default;
  Journal(const std::string& dir, std::uint32_t term);

  // From here on all that came before is of no use.
  Status Begin(const proto::SchedulerState& state);
  // Adds to what Begin has written. Before the first Begin it does nothing: there is nothing to go on from yet.
  Status Add(const proto::JournalRecord& record);
  // Nobody is to go on from what is written so far, which has become wrong.
  Status Discard();

 private:
  std::string path_;
  std::unique_ptr<RecordFile> file_;
};

// Those of earlier terms are of no use any more.
Status RemoveJournalsBefore(const std::string& dir, std::uint32_t term);

// What the newest term whose scheduler has got so far, of those before `term`, knew last. NotFound: none has.
Result<proto::SchedulerState> ReadJournal(const std::string& dir, std::uint32_t term);

// A state with what has happened since.
void Apply(const proto::JournalRecord& record, proto::SchedulerState* state);

}  // namespace sherd
