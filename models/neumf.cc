#include "models/model_builder.h"
#include "models/nn/elementwise.h"

namespace sherd {

// Neural matrix factorization (He et al. 2017, section 3.4): GMF and MLP, each with embeddings of its own in one row of
// the user's and one of the item's, fused by a linear layer over both results.
template <typename T>
Result<nn::Activation<T>*> BuildNeuMf(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  ASSIGN_OR_RETURN(const auto tables, m->RequireUserAndItem());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->TowerEmbeddingDim());
  const std::uint32_t factors = m->model().embedding_dim();
  nn::Activation<T>* gmf_user = m->Embedding(tables.user, "gmf", factors);
  nn::Activation<T>* gmf_item = m->Embedding(tables.item, "gmf", factors);
  nn::Activation<T>* mlp_user = m->Embedding(tables.user, "mlp", dim);
  nn::Activation<T>* mlp_item = m->Embedding(tables.item, "mlp", dim);
  nn::Activation<T>* product = nn::Product(m->graph(), "product", gmf_user, gmf_item);
  const auto& hidden = m->model().tower().hidden();
  nn::Activation<T>* x = m->graph()->Concat("pair", {mlp_user, mlp_item});
  x = m->Tower(x, {hidden.data() + 1, hidden.data() + hidden.size()});
  nn::Activation<T>* both = m->graph()->Concat("both", {product, x});
  return m->Output({m->Project("fusion", both, m->DenseOptimizer())});
}

template Result<nn::Activation<float>*> BuildNeuMf(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildNeuMf(ModelBuilder<double>*);

}  // namespace sherd
