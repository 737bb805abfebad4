#include "models/nn/lstm.h"

#include "models/recurrent.h"

namespace sherd {

// Long short-term memory (Hochreiter and Schmidhuber 1997) in place of GRU4Rec's gated recurrent units.
template <typename T>
Result<nn::Activation<T>*> BuildLstm(ModelBuilder<T>* m) {
  return BuildRecurrent(m, [m](nn::Activation<T>* x, int i, std::uint32_t units) {
    return nn::Lstm(m->graph(), "lstm." + std::to_string(i), x,
                    {.units = units, .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
  });
}

template Result<nn::Activation<float>*> BuildLstm(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildLstm(ModelBuilder<double>*);

}  // namespace sherd
