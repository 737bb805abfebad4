#include "models/model_builder.h"

namespace sherd {

// Wide & Deep (Cheng et al. 2016): first-order weights of all keys, crosses among them, by FTRL unless the job says
// otherwise; and a tower over the embeddings of all but the crosses, and the numbers.
template <typename T>
Result<nn::Activation<T>*> BuildWideDeep(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  proto::Optimizer ftrl;
  ftrl.mutable_ftrl();
  auto terms = m->FirstOrderTerms("wide", &ftrl);
  nn::Activation<T>* x = m->Embeddings("deep");
  if (x == nullptr)
    x = m->Numbers();
  else if (m->Numbers() != nullptr)
    x = m->graph()->Concat("deep_input", {x, m->Numbers()});
  if (x == nullptr) return Status::Invalid("feature: the deep part of wide_deep needs one that is not a cross");
  const auto& hidden = m->model().tower().hidden();
  terms.push_back(
      m->Project("deep_output", m->Tower(x, {hidden.data(), hidden.data() + hidden.size()}), m->TowerOptimizer()));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildWideDeep(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildWideDeep(ModelBuilder<double>*);

}  // namespace sherd
