#pragma once

#include <google/protobuf/repeated_field.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/wire.pb.h"

namespace sherd {

// Malformed rows over all workers: how many of how many read, and the first of each kind. Thread-compatible.
class BadRows {
 public:
  enum class Moment {
    kRunning,  // the share means little before kJudgedRows
    kEnd,      // of an epoch or an evaluation
  };
  static constexpr std::uint64_t kJudgedRows = 1000;
  static constexpr std::size_t kMaxKinds = 100;  // further kinds are counted, not listed

  explicit BadRows(double max_fraction) : max_fraction_(max_fraction) {}

  // Rows that a worker read since its last report, how many of them were bad, and the kinds it has met so far. Returns
  // the kinds that are new.
  std::vector<proto::BadRow> Add(std::uint32_t worker, std::uint64_t read, std::uint64_t bad,
                                 const google::protobuf::RepeatedPtrField<proto::BadRow>& kinds);
  // BadData once more than the allowed share of the rows is bad: counts, and the first of each kind.
  Status Check(Moment moment) const;

  std::uint64_t read() const { return read_; }
  std::uint64_t bad() const { return bad_; }
  // In the order they came up, each with its first place and its count over all workers.
  std::vector<proto::BadRow> kinds() const;

 private:
  struct Kind {
    proto::BadRow first;
    std::map<std::uint32_t, std::uint64_t> count;  // by worker
  };

  const double max_fraction_;
  std::uint64_t read_ = 0, bad_ = 0;
  std::vector<Kind> kinds_;
  std::map<std::string, std::size_t> place_;  // reason -> index in kinds_
};

}  // namespace sherd
