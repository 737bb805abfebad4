#pragma once

#include <cstdint>

#include "net/mailbox.h"
#include "proto/job.pb.h"

namespace sherd {

// When a checkpoint is due: each so many rows, each so many minutes, and soon after one that failed. Thread-compatible.
class CheckpointSchedule {
 public:
  explicit CheckpointSchedule(const proto::Checkpoint& options) : options_(options) {}

  // Training begins, or goes on, with so many rows behind it.
  void Start(std::uint64_t rows, Deadline now);
  // A checkpoint is begun, whoever asked for it: the next one is due a whole period later.
  void Begin(std::uint64_t rows, Deadline now) { Start(rows, now); }
  void Succeeded() { failures_ = 0; }
  // Another attempt is due after 10 s; after each further failure twice as long, up to the period in minutes (10 where
  // there is none).
  void Failed(Deadline now);

  // Since the last one.
  bool HasNewRows(std::uint64_t rows) const { return rows > last_rows_; }
  bool Due(std::uint64_t rows, Deadline now) const;
  std::uint32_t failures() const { return failures_; }  // in a row

 private:
  const proto::Checkpoint options_;
  std::uint64_t last_rows_ = 0;
  Deadline last_, retry_;
  std::uint32_t failures_ = 0;
};

}  // namespace sherd
