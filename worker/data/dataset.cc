#include "worker/data/dataset.h"

#include "worker/data/bag_dataset.h"
#include "worker/data/interaction_dataset.h"
#include "worker/data/row_file_dataset.h"
#include "worker/data/text_dataset.h"

namespace sherd {

Result<std::unique_ptr<Dataset>> Dataset::Open(const proto::Job& job, const FeatureLayout& layout, Options options) {
  const bool pairs = job.data().format() == proto::Data::USER_ITEM;
  if (pairs && job.data().user_item().has_bags()) return BagDataset::Open(job, layout, options);
  if (pairs) return InteractionDataset::Open(job, layout, options);
  if (job.data().format() == proto::Data::ROW_FILE) return RowFileDataset::Open(job, layout, options);
  return TextDataset::Open(job, layout, options);
}

}  // namespace sherd
