#include "models/model_builder.h"

namespace sherd {

// Deep & Cross (Wang et al. 2017; with matrices, 2021), in parallel: a cross network and a tower over the embeddings
// and numbers. Crosses of the job have first-order weights only; other features none.
template <typename T>
Result<nn::Activation<T>*> BuildDcn(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  std::vector<nn::Activation<T>*> terms;
  for (int table = 0; table < static_cast<int>(m->layout().tables.size()); ++table) {
    if (m->IsCrossTable(table)) terms.push_back(m->FirstOrder(table, "linear", m->LinearOptimizer(table)));
  }
  nn::Activation<T>* x = m->Embeddings("factors");
  if (x == nullptr) return Status::Invalid("feature: dcn needs a categorical or bucket feature that is not a cross");
  if (m->Numbers() != nullptr) x = m->graph()->Concat("input", {x, m->Numbers()});
  const auto& hidden = m->model().tower().hidden();
  terms.push_back(m->Project("cross_output", m->CrossNetwork(x), m->TowerOptimizer()));
  terms.push_back(
      m->Project("deep_output", m->Tower(x, {hidden.data(), hidden.data() + hidden.size()}), m->TowerOptimizer()));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildDcn(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildDcn(ModelBuilder<double>*);

}  // namespace sherd
