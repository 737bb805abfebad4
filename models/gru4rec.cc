#include "models/nn/dropout.h"
#include "models/nn/gru.h"
#include "models/sequences.h"

namespace sherd {

// GRU4Rec (Hidasi et al. 2016, with the full softmax's stand-in of Hidasi and Karatzoglou 2018): gated recurrent units
// over the events' embeddings, tower.hidden[i] in layer i, and a linear layer back to the embeddings' dim.
template <typename T>
Result<nn::Activation<T>*> BuildGru4Rec(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  const proto::Tower& tower = m->model().tower();
  if (tower.has_activation() || tower.batch_norm()) {
    return Status::Invalid("model.tower: gru4rec has gated units in it, without activation and batch_norm");
  }
  ASSIGN_OR_RETURN(const Sequence<T> sequence, DeclareSequence(m, UserRows::kRefused));
  nn::Activation<T>* x = nn::Dropout(m->graph(), "input.dropout", sequence.events, tower.dropout());
  for (int i = 0; i < tower.hidden_size(); ++i) {
    x = nn::Gru(
        m->graph(), "gru." + std::to_string(i), x,
        {.units = tower.hidden(i), .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
  }
  x = nn::Linear(
      m->graph(), "output", x,
      {.units = sequence.events->cols, .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
  return ScoreNext(m, sequence, x);
}

template Result<nn::Activation<float>*> BuildGru4Rec(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildGru4Rec(ModelBuilder<double>*);

}  // namespace sherd
