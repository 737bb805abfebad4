#include "scheduler/bad_rows.h"

#include <algorithm>
#include <cstdio>

namespace sherd {

std::vector<proto::BadRow> BadRows::Add(std::uint32_t worker, std::uint64_t read, std::uint64_t bad,
                                        const google::protobuf::RepeatedPtrField<proto::BadRow>& kinds) {
  read_ += read;
  bad_ += bad;
  std::vector<proto::BadRow> fresh;
  for (const proto::BadRow& row : kinds) {
    auto found = place_.find(row.reason());
    if (found == place_.end()) {
      if (kinds_.size() == kMaxKinds) continue;
      found = place_.emplace(row.reason(), kinds_.size()).first;
      kinds_.push_back({row, {}});
      fresh.push_back(row);
    }
    std::uint64_t& count = kinds_[found->second].count[worker];
    count = std::max(count, row.count());
  }
  return fresh;
}

std::vector<proto::BadRow> BadRows::kinds() const {
  std::vector<proto::BadRow> rows;
  for (const Kind& kind : kinds_) {
    std::uint64_t count = 0;
    for (const auto& [worker, of_worker] : kind.count) count += of_worker;
    rows.push_back(kind.first);
    rows.back().set_count(count);
  }
  return rows;
}

Status BadRows::Check(Moment moment) const {
  if (moment == Moment::kRunning && read_ < kJudgedRows) return {};
  if (bad_ == 0 || static_cast<double>(bad_) <= max_fraction_ * static_cast<double>(read_)) return {};
  char share[64];
  std::snprintf(share, sizeof share, "more than data.max_bad_fraction = %g", max_fraction_);
  std::string text = std::to_string(bad_) + " of " + std::to_string(read_) + " rows read are bad, " + share;
  for (const Kind& kind : kinds_) text += "\n  first of its kind: " + kind.first.where() + ": " + kind.first.reason();
  return Status::BadData(std::move(text));
}

}  // namespace sherd
