#include "models/model_builder.h"

namespace sherd {

// Matrix factorization for ranking (Rendle et al. 2009, section 4.3.1): p_u . q_i, learned from pairs of an item that
// the user has and one that he has not.
template <typename T>
Result<nn::Activation<T>*> BuildBprMf(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  RETURN_IF_ERROR(m->RequireLoss(proto::Model::BPR));
  ASSIGN_OR_RETURN(const auto tables, m->RequireUserAndItem());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->CommonDim());
  return m->DotScore(m->Embedding(tables.user, "factors", dim), m->Embedding(tables.item, "factors", dim));
}

template Result<nn::Activation<float>*> BuildBprMf(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildBprMf(ModelBuilder<double>*);

}  // namespace sherd
