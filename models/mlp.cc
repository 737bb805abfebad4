#include "models/model_builder.h"

namespace sherd {

// The multi-layer perceptron of neural collaborative filtering (He et al. 2017, section 3.3): a tower over a user's and
// an item's embedding. tower.hidden[0] is the width of both together, as in the paper's [64, 32, 16, 8].
template <typename T>
Result<nn::Activation<T>*> BuildMlp(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  ASSIGN_OR_RETURN(const auto tables, m->RequireUserAndItem());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->TowerEmbeddingDim());
  nn::Activation<T>* user = m->Embedding(tables.user, "mlp", dim);
  nn::Activation<T>* item = m->Embedding(tables.item, "mlp", dim);
  const auto& hidden = m->model().tower().hidden();
  nn::Activation<T>* x = m->graph()->Concat("pair", {user, item});
  x = m->Tower(x, {hidden.data() + 1, hidden.data() + hidden.size()});
  return m->Output({m->Project("fusion", x, m->TowerOptimizer())});
}

template Result<nn::Activation<float>*> BuildMlp(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildMlp(ModelBuilder<double>*);

}  // namespace sherd
