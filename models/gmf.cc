#include "models/model_builder.h"
#include "models/nn/elementwise.h"

namespace sherd {

// Generalized matrix factorization (He et al. 2017, section 3.2): h . (p * q) + bias, of a user's and an item's
// factors.
template <typename T>
Result<nn::Activation<T>*> BuildGmf(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  ASSIGN_OR_RETURN(const auto tables, m->RequireUserAndItem());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->CommonDim());
  nn::Activation<T>* user = m->Embedding(tables.user, "gmf", dim);
  nn::Activation<T>* item = m->Embedding(tables.item, "gmf", dim);
  nn::Activation<T>* product = nn::Product(m->graph(), "product", user, item);
  return m->Output({m->Project("fusion", product, m->DenseOptimizer())});
}

template Result<nn::Activation<float>*> BuildGmf(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildGmf(ModelBuilder<double>*);

}  // namespace sherd
