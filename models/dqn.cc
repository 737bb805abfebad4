#include "models/item_choice.h"
#include "models/nn/slow_copy.h"
#include "models/nn/temporal_difference.h"

namespace sherd {

// Deep Q-network (Mnih et al. 2015): what an item is worth in a state, its reward and all that follow when the best
// item is shown from then on. The rows are the replay, in which order is of no account; the best of the next state is
// that of the target network, a slow copy of rows and tensors.
template <typename T>
Result<nn::Activation<T>*> BuildDqn(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireLoss(proto::Model::Q_LEARNING));
  ASSIGN_OR_RETURN(ItemChoice<T> choice, ItemChoice<T>::Make(m, 2, "what the next state counts"));
  nn::Activation<T>* const worth =
      choice.ShownScore(choice.StateVector(0, ""), choice.AddItemSegments(""), nn::SegmentGradient::kClears);
  const std::string target = "target.";
  nn::Activation<T>* const next = choice.Scores("next", choice.StateVector(1, target), choice.AddItemSegments(target));
  nn::Activation<T>* const output = nn::TemporalDifference(m->graph(), "worth", worth, next, m->Numbers());
  nn::SlowCopy(m->graph(), target, m->model().q_learning().target_rate());
  return output;
}

template Result<nn::Activation<float>*> BuildDqn(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildDqn(ModelBuilder<double>*);

}  // namespace sherd
