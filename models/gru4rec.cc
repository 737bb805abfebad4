#include "models/nn/gru.h"
#include "models/recurrent.h"

namespace sherd {

// GRU4Rec (Hidasi et al. 2016, with the full softmax's stand-in of Hidasi and Karatzoglou 2018): gated recurrent units
// over the events' embeddings.
template <typename T>
Result<nn::Activation<T>*> BuildGru4Rec(ModelBuilder<T>* m) {
  return BuildRecurrent(m, [m](nn::Activation<T>* x, int i, std::uint32_t units) {
    return nn::Gru(m->graph(), "gru." + std::to_string(i), x,
                   {.units = units, .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
  });
}

template Result<nn::Activation<float>*> BuildGru4Rec(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildGru4Rec(ModelBuilder<double>*);

}  // namespace sherd
