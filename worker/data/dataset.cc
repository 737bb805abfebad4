#include "worker/data/dataset.h"

#include "worker/data/text_dataset.h"

namespace sherd {

Result<std::unique_ptr<Dataset>> Dataset::Open(const proto::Job& job, const FeatureLayout& layout, Options options) {
  return TextDataset::Open(job, layout, options);
}

}  // namespace sherd
