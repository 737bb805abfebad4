#include "models/item_choice.h"
#include "models/nn/policy_gradient.h"

namespace sherd {

// REINFORCE with a baseline (Williams 1992), of sessions that another policy chose the items of (Chen et al. 2019):
// softmax of the scores of all items that could be shown is the policy, and the baseline a weight of each of the
// state's tokens.
template <typename T>
Result<nn::Activation<T>*> BuildReinforce(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireLoss(proto::Model::POLICY_GRADIENT));
  ASSIGN_OR_RETURN(ItemChoice<T> choice, ItemChoice<T>::Make(m, 1, "how probable the item was when it was shown"));
  nn::Activation<T>* const x = choice.StateVector(0, "");
  const auto segments = choice.AddItemSegments("");
  nn::Activation<T>* const shown = choice.ShownScore(x, segments, nn::SegmentGradient::kAdds);
  nn::Activation<T>* const all = choice.Scores("choices", x, segments);
  const int state = m->layout().TableId("state");
  nn::Activation<T>* const baseline = nn::SumWithBias(
      m->graph(), "baseline", {m->FirstOrder(state, "baseline", m->LinearOptimizer(state))}, m->DenseOptimizer());
  return nn::PolicyGradient<T>(m->graph(), "score",
                               {.score = shown, .choices = all, .baseline = baseline, .propensity = m->Numbers()},
                               m->model().policy_gradient().max_weight());
}

template Result<nn::Activation<float>*> BuildReinforce(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildReinforce(ModelBuilder<double>*);

}  // namespace sherd
