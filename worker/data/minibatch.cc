#include "worker/data/minibatch.h"

namespace sherd {

void RankingPart::Begin(Kind new_kind, std::uint32_t items, std::uint64_t first_item) {
  kind = new_kind;
  catalogue = items;
  first = static_cast<std::uint32_t>(first_item);
  seen.clear();
  seen_end.clear();
  relevant.clear();
  relevant_end.clear();
  barred.reset();
  popularity.reset();
}

void Minibatch::ClearRows() {
  rows = 0;
  group_rows = 1;
  source_rows_read = 0;
  first_source = last_source = 0;
  labels.clear();
  weights.clear();
  row_ids.clear();
  groups.clear();
  list_offsets.clear();
  candidates.clear();
  log_shares.clear();
  ranking.Begin(RankingPart::Kind::kNone, 0, 0);
  source_rows.clear();
}

}  // namespace sherd
