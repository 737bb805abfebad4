#include "models/model_builder.h"
#include "models/nn/interaction.h"

namespace sherd {

// Factorization machine of second order (Rendle 2010): first-order weights, and the dot product of each pair of fields'
// factors. Crosses and numbers have first-order weights only.
template <typename T>
Result<nn::Activation<T>*> BuildFm(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->PairableDim());
  auto terms = m->FirstOrderTerms("linear");
  terms.push_back(nn::Interaction(m->graph(), "interaction", m->Embeddings("factors"), dim));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildFm(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildFm(ModelBuilder<double>*);

}  // namespace sherd
