#include "models/model_builder.h"
#include "models/nn/interaction.h"

namespace sherd {

// Biased matrix factorization (Koren, Bell and Volinsky 2009, equation 4): b + b_u + b_i + p_u . q_i, which is a
// factorization machine of the two.
template <typename T>
Result<nn::Activation<T>*> BuildMf(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  ASSIGN_OR_RETURN(const auto tables, m->RequireUserAndItem(ModelBuilder<T>::FirstOrderWeights::kOfBoth));
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->CommonDim());
  auto terms = m->FirstOrderTerms("bias");
  nn::Activation<T>* pair = m->graph()->Concat(
      "pair", {m->Embedding(tables.user, "factors", dim), m->Embedding(tables.item, "factors", dim)});
  terms.push_back(nn::Interaction(m->graph(), "interaction", pair, dim));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildMf(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildMf(ModelBuilder<double>*);

}  // namespace sherd
