#include "models/model_builder.h"
#include "models/nn/activation.h"
#include "models/nn/dropout.h"
#include "models/nn/targets.h"

namespace sherd {

// AutoRec (Sedhain et al. 2015, equation 2), an autoencoder of a user's or an item's ratings: h = f(sum of r_k V_k +
// mu) over the history, tower.hidden[0] units, further layers of the tower upon it, and W_k . h + b_k + b for each
// target. V_k is a row of the history's table, W_k and b_k one of the targets'.
template <typename T>
Result<nn::Activation<T>*> BuildAutoRec(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  ASSIGN_OR_RETURN(const auto bags, m->RequireBags());
  const proto::Tower& tower = m->model().tower();
  const auto& hidden = tower.hidden();
  nn::Activation<T>* x = m->Embedding(bags.history, "encoder", hidden[0]);
  x = nn::AddBias(m->graph(), "encoded", x, m->TowerNonlinearity(), m->DenseOptimizer());
  x = nn::Dropout(m->graph(), "encoded.dropout", x, tower.dropout());
  x = m->Tower(x, {hidden.data() + 1, hidden.data() + hidden.size()});
  const nn::Segment w = m->AddEmbeddingSegment(bags.targets, "decoder", x->cols);
  const nn::Segment b = m->AddFirstOrderSegment(bags.targets, "bias", m->LinearOptimizer(bags.targets));
  const nn::Domain* targets = m->graph()->NewDomain(bags.targets, 0, 1);
  return m->Output({nn::TargetScores(m->graph(), "decoded", x, targets, w, b)});
}

template Result<nn::Activation<float>*> BuildAutoRec(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildAutoRec(ModelBuilder<double>*);

}  // namespace sherd
