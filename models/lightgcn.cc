#include "models/model_builder.h"
#include "models/nn/graph_convolution.h"
#include "models/nn/unit_length.h"

namespace sherd {

// LightGCN (He et al. 2020): the dot product of a user's and an item's vector, each the mean of what its embedding
// becomes when it is propagated over the graph of the training rows, not at all, once, … `layers` times.
template <typename T>
Result<nn::Activation<T>*> BuildLightGcn(ModelBuilder<T>* m) {
  ASSIGN_OR_RETURN(const auto tables, m->RequireUserAndItem());
  RETURN_IF_ERROR(m->RequireGraph());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->CommonDim());
  nn::UserAndItem<T> y = nn::GraphConvolution(
      m->graph(), "convolution", m->AddEmbeddingSegment(tables.user, "factors", dim),
      m->AddEmbeddingSegment(tables.item, "factors", dim), m->model().graph_convolution().layers());
  if (m->model().tower().unit_length()) {
    y = {nn::UnitLength(m->graph(), "user_unit", y.user), nn::UnitLength(m->graph(), "item_unit", y.item)};
  }
  return m->DotScore(y.user, y.item);
}

template Result<nn::Activation<float>*> BuildLightGcn(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildLightGcn(ModelBuilder<double>*);

}  // namespace sherd
