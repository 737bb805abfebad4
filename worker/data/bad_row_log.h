#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "worker/data/dataset.h"
#include "worker/data/row_parser.h"

namespace sherd {

// Counts the rows read and the bad ones among them, and keeps the first of each kind. Thread-safe.
class BadRowLog {
 public:
  void CountRows(std::uint64_t rows);
  // `place`, "file:line", may be slow: it is asked only for the first row of a kind.
  void AddBad(const RowError& error, const std::function<std::string()>& place);
  ReadCounts counts() const;
  // BadData when more than this share of the rows read, and more than one, is bad.
  Status Check(double max_bad_fraction) const;

 private:
  mutable std::mutex mutex_;
  ReadCounts counts_;
  std::map<std::pair<std::string, std::string>, std::size_t> kinds_;  // (expected, column) -> index in counts_.kinds
};

// "integer expected, got "abc"" and "file:3: column age", as people read them.
proto::BadRow DescribeBadRow(const RowError& error, const std::string& place);

}  // namespace sherd
