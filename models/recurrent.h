#pragma once

#include <cstdint>
#include <string>

#include "models/nn/dropout.h"
#include "models/nn/linear.h"
#include "models/sequences.h"

namespace sherd {

// Recurrent layers, of tower.hidden[i] units in layer i, stand in the tower's place.
template <typename T>
Status RequireGatedUnits(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  if (!m->model().tower().has_activation() && !m->model().tower().batch_norm()) return {};
  return Status::Invalid("model.tower: " + m->model().name() +
                         " has gated units in it, without activation and batch_norm");
}

// A model of sequences of recurrent layers over the events' embeddings, tower.hidden[i] units in layer i, and a linear
// layer back to the embeddings' dim; tower.dropout is that of the embeddings. `add_layer(x, i, units)` puts layer i
// over x, both [events, .].
template <typename T, typename AddLayer>
Result<nn::Activation<T>*> BuildRecurrent(ModelBuilder<T>* m, const AddLayer& add_layer) {
  RETURN_IF_ERROR(RequireGatedUnits(m));
  const proto::Tower& tower = m->model().tower();
  ASSIGN_OR_RETURN(const Sequence<T> sequence, DeclareSequence(m, UserRows::kRefused));
  nn::Activation<T>* x = nn::Dropout(m->graph(), "input.dropout", sequence.events, tower.dropout());
  for (int i = 0; i < tower.hidden_size(); ++i) x = add_layer(x, i, tower.hidden(i));
  x = nn::Linear(
      m->graph(), "output", x,
      {.units = sequence.events->cols, .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
  return ScoreNext(m, sequence, x);
}

}  // namespace sherd
