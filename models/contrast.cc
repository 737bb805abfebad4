#include "models/model_builder.h"
#include "models/nn/dropout.h"
#include "models/nn/in_batch_softmax.h"
#include "models/nn/occurrences.h"
#include "models/nn/unit_length.h"

namespace sherd {

// Contrastive pre-training of words (InfoNCE: van den Oord et al. 2018, equation 4; of two views that augmentation has
// made of one example: Chen et al. 2020): what is left of an item's words when some are dropped is to be told from what
// is left of other items' by what is left of its own when others are. The table "item" is that of two_tower.
template <typename T>
Result<nn::Activation<T>*> BuildContrast(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireLoss(proto::Model::IN_BATCH_SOFTMAX));
  const proto::Tower& tower = m->model().tower();
  if (!tower.hidden().empty() || tower.batch_norm() || tower.dropout() == 0) {
    return Status::Invalid(
        "model.tower: contrast has no hidden layers, and needs dropout, the share of an item's words that each of its "
        "two views leaves out");
  }
  const auto& features = m->layout().features;
  if (features.size() != 1 || features[0].table != m->layout().TableId("item") || m->IsCrossTable(features[0].table)) {
    return Status::Invalid("feature: contrast takes one, with table: \"item\"");
  }
  nn::Graph<T>* const graph = m->graph();
  const nn::Segment factors = m->AddEmbeddingSegment(features[0].table, "factors", m->EmbeddingDim(features[0].table));
  const nn::Domain* words = graph->NewDomain(features[0].table, 0, 1);
  nn::Activation<T>* x = nn::Occurrences(graph, "word", words, factors, nn::SegmentGradient::kClears);
  x = nn::Weighed(graph, "weighed", x);
  const auto view = [&](const std::string& name) {
    nn::Activation<T>* sum = nn::RowSum(graph, name, nn::DropEvents(graph, name + ".left", x, tower.dropout()));
    return tower.unit_length() ? nn::UnitLength(graph, name + ".unit", sum) : sum;
  };
  nn::Activation<T>* const one = view("one");
  return nn::InBatchSoftmax(graph, "score", one, view("other"), m->model().in_batch_softmax());
}

template Result<nn::Activation<float>*> BuildContrast(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildContrast(ModelBuilder<double>*);

}  // namespace sherd
