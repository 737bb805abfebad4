#include "models/nn/activation.h"
#include "models/nn/dropout.h"
#include "models/nn/elementwise.h"
#include "models/nn/occurrences.h"
#include "models/sequences.h"

namespace sherd {

// Collaborative denoising autoencoder (Wu et al. 2016, equations 8 to 10): h = f(sum of W_k + V_u + b) over the user's
// items k of which tower.dropout has left some, and W'_i . h for each item i that is to be found again. The order of
// the items is of no account.
template <typename T>
Result<nn::Activation<T>*> BuildCdae(ModelBuilder<T>* m) {
  const proto::Tower& tower = m->model().tower();
  if (!tower.hidden().empty() || tower.batch_norm()) {
    return Status::Invalid(
        "model.tower: cdae has one hidden layer, of model.embedding_dim units, without batch_norm; what counts is "
        "activation, and dropout, the share of a user's items that are left out");
  }
  ASSIGN_OR_RETURN(const Sequence<T> sequence, DeclareSequence(m, UserRows::kAllowed));
  nn::Graph<T>* const graph = m->graph();
  nn::Activation<T>* x = nn::DropEvents(graph, "item.history.left", sequence.events, tower.dropout());
  x = nn::RowSum(graph, "items", x);
  if (sequence.user != nullptr) x = nn::Sum(graph, "items_and_user", x, sequence.user);
  x = nn::AddBias(graph, "hidden", x, m->TowerNonlinearity(), m->DenseOptimizer());
  return ScoreTargets(m, sequence, nn::Spread(graph, "user", x, sequence.targets));
}

template Result<nn::Activation<float>*> BuildCdae(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildCdae(ModelBuilder<double>*);

}  // namespace sherd
