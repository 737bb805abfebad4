#include "models/model_builder.h"
#include "models/nn/interaction.h"

namespace sherd {

// DeepFM (Guo et al. 2017): a factorization machine and a tower over the same embeddings. Numbers join the first-order
// terms and the tower's input.
template <typename T>
Result<nn::Activation<T>*> BuildDeepFm(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->PairableDim());
  auto terms = m->FirstOrderTerms("linear");
  nn::Activation<T>* factors = m->Embeddings("factors");
  terms.push_back(nn::Interaction(m->graph(), "interaction", factors, dim));
  nn::Activation<T>* x = m->Numbers() == nullptr ? factors : m->graph()->Concat("deep", {factors, m->Numbers()});
  const auto& hidden = m->model().tower().hidden();
  terms.push_back(
      m->Project("deep_output", m->Tower(x, {hidden.data(), hidden.data() + hidden.size()}), m->TowerOptimizer()));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildDeepFm(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildDeepFm(ModelBuilder<double>*);

}  // namespace sherd
