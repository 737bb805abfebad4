#include "models/nn/events.h"
#include "models/nn/lstm.h"
#include "models/nn/occurrences.h"
#include "models/recurrent.h"

namespace sherd {

// An encoder and a decoder of long short-term memory (Sutskever, Vinyals and Le 2014) that reconstruct a user's
// sequence, the last item first (Srivastava, Mansimov and Salakhutdinov 2015, section 2.2, whose decoder is not told
// what it has made so far): all that the decoder gets, at every step, is what the encoder has after the last event.
template <typename T>
Result<nn::Activation<T>*> BuildSeq2Seq(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(RequireGatedUnits(m));
  ASSIGN_OR_RETURN(const Sequence<T> sequence, DeclareSequence(m, UserRows::kRefused, proto::Sequences::REVERSED));
  const proto::Tower& tower = m->model().tower();
  const auto layers = [&](const std::string& name, nn::Activation<T>* x) {
    for (int i = 0; i < tower.hidden_size(); ++i) {
      x = nn::Lstm(
          m->graph(), name + std::to_string(i), x,
          {.units = tower.hidden(i), .weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});
    }
    return x;
  };
  nn::Activation<T>* x = nn::Dropout(m->graph(), "input.dropout", sequence.events, tower.dropout());
  x = nn::LastEvent(m->graph(), "code", layers("lstm.", x));
  x = layers("decoder.", nn::Spread(m->graph(), "code.of_step", x, sequence.targets));
  return ScoreTargets(m, sequence,
                      nn::Linear(m->graph(), "output", x,
                                 {.units = sequence.events->cols,
                                  .weight_optimizer = m->TowerOptimizer(),
                                  .bias_optimizer = m->DenseOptimizer()}));
}

template Result<nn::Activation<float>*> BuildSeq2Seq(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildSeq2Seq(ModelBuilder<double>*);

}  // namespace sherd
