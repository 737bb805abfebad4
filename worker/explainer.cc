#include "worker/explainer.h"

#include <numeric>

namespace sherd {

void Explainer::Explain(const Batch<float>& batch, Model<float>* model, std::vector<float>* shares,
                        std::vector<std::uint32_t>* counts) {
  gradients_.Explain(batch, model);
  shares->clear();
  counts->clear();
  for (std::uint32_t row = 0; row < batch.rows; ++row) {
    const std::size_t before = shares->size();
    shares->push_back(gradients_.baselines()[row]);
    for (const FeatureLayout::FeatureColumn& feature : layout_.features) AddFeature(feature, row, shares);
    counts->push_back(static_cast<std::uint32_t>(shares->size() - before));
  }
}

void Explainer::AddFeature(const FeatureLayout::FeatureColumn& feature, std::uint32_t row,
                           std::vector<float>* shares) const {
  const std::size_t cell = row * layout_.tables[feature.table].features.size() + feature.field;
  const auto offsets = gradients_.offsets(feature.table);
  const auto of_feature = gradients_.shares(feature.table).subspan(offsets[cell], offsets[cell + 1] - offsets[cell]);
  if (feature.column == "history") {
    shares->insert(shares->end(), of_feature.begin(), of_feature.end());
  } else {
    shares->push_back(static_cast<float>(std::accumulate(of_feature.begin(), of_feature.end(), 0.0)));
  }
}

}  // namespace sherd
