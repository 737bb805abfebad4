#include "models/model_builder.h"
#include "models/nn/batch_norm.h"
#include "models/nn/dropout.h"
#include "models/nn/field_interaction.h"

namespace sherd {

// Neural factorization machine (He and Chua 2017, equation 7): first-order weights, and a tower over the pooled
// products of all pairs of fields' factors. The tower's batch norm and dropout apply to the pooled products too, as in
// the paper; crosses and numbers have first-order weights only.
template <typename T>
Result<nn::Activation<T>*> BuildNfm(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->PairableDim());
  auto terms = m->FirstOrderTerms("linear");
  nn::Activation<T>* x = nn::BiInteraction(m->graph(), "bi_interaction", m->Embeddings("factors"), dim);
  const proto::Tower& tower = m->model().tower();
  if (tower.batch_norm()) x = nn::BatchNorm(m->graph(), "bi_interaction.norm", x, m->DenseOptimizer());
  x = nn::Dropout(m->graph(), "bi_interaction.dropout", x, tower.dropout());
  x = m->Tower(x, {tower.hidden().data(), tower.hidden().data() + tower.hidden().size()});
  terms.push_back(m->Project("deep_output", x, m->TowerOptimizer()));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildNfm(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildNfm(ModelBuilder<double>*);

}  // namespace sherd
