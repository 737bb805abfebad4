#include "worker/data/minibatch.h"

namespace sherd {

void Minibatch::ClearRows() {
  rows = 0;
  source_rows_read = 0;
  first_source = last_source = 0;
  labels.clear();
  weights.clear();
  row_ids.clear();
  groups.clear();
  list_offsets.clear();
  candidates.clear();
  source_rows.clear();
}

}  // namespace sherd
