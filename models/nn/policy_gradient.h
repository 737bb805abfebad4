#pragma once

#include <string>

#include "models/nn/graph.h"

namespace sherd::nn {

// [rows, 1] but `choices`, which is of a domain, [choices of all rows, 1].
template <typename T>
struct PolicyGradientInputs {
  Activation<T>* score;             // of what was chosen in a row's state
  Activation<T>* choices;           // of all that could have been
  Activation<T>* baseline;          // what was to be expected of the state
  const Activation<T>* propensity;  // how probable the choice was when it was made, above 0
};

// The loss of REINFORCE with a baseline b (Williams 1992), by what another policy did. y [rows, 1] = score; the policy
// is p = exp(score) / sum over the row's choices k of exp(choices_k), its weight w = p / propensity, and the loss of a
// row
//   -(label - b) f(w) + (label - b)^2        f(w) = w up to max_weight = m, then m (1 + log(w / m))
// where the label is the return: rewards from this one on. By the scores the gradient is -(label - b) min(w, m) times
// that of log p, the estimator of Chen et al. 2019 (equation 3) with its weights capped; b is taken as given there, and
// learns by the second term alone. A row without choices has the second term alone; where a propensity is not above 0
// the loss is NaN.
template <typename T>
Activation<T>* PolicyGradient(Graph<T>* graph, const std::string& name, const PolicyGradientInputs<T>& inputs,
                              double max_weight);

}  // namespace sherd::nn
