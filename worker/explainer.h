#pragma once

#include <cstdint>
#include <vector>

#include "models/feature_layout.h"
#include "models/integrated_gradients.h"

namespace sherd {

// What the job's features have added to the scores of a minibatch's rows (models/integrated_gradients.h). Confined to
// one thread.
class Explainer {
 public:
  explicit Explainer(FeatureLayout layout) : layout_(std::move(layout)) {}

  // Row by row: the baseline's score, then the share of each feature in the job's order; of a history (column history)
  // that of each event in its place. `counts`: how many of the numbers are a row's. [rows]
  void Explain(const Batch<float>& batch, Model<float>* model, std::vector<float>* shares,
               std::vector<std::uint32_t>* counts);

 private:
  void AddFeature(const FeatureLayout::FeatureColumn& feature, std::uint32_t row, std::vector<float>* shares) const;

  const FeatureLayout layout_;
  IntegratedGradients<float> gradients_;
};

}  // namespace sherd
