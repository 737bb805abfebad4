#include <algorithm>

#include "models/nn/convolution.h"
#include "models/nn/dropout.h"
#include "models/nn/events.h"
#include "models/nn/occurrences.h"
#include "models/sequences.h"

namespace sherd {
namespace {

// What the filters find in each window, [events, window * horizontal + vertical * dim] (equations 3 to 8).
template <typename T>
nn::Activation<T>* Filters(ModelBuilder<T>* m, nn::Activation<T>* windows, const proto::Convolution& convolution) {
  nn::Graph<T>* const graph = m->graph();
  std::vector<nn::Activation<T>*> found = {nn::VerticalConvolution(graph, "vertical", windows, convolution.window(),
                                                                   convolution.vertical(), m->DenseOptimizer())};
  for (std::uint32_t height = 1; height <= convolution.window(); ++height) {
    const std::string name = "horizontal." + std::to_string(height);
    nn::Activation<T>* x = nn::Convolution(graph, name, windows,
                                           {.steps = convolution.window(),
                                            .height = height,
                                            .filters = convolution.horizontal(),
                                            .weight_optimizer = m->DenseOptimizer(),
                                            .bias_optimizer = m->DenseOptimizer()});
    found.push_back(nn::MaxOverSteps(graph, name + ".max", x, convolution.window() - height + 1));
  }
  return graph->Concat("filters", found);
}

}  // namespace

// Caser (Tang and Wang 2018): convolutions over the last events as over an image, horizontal ones of each height with
// max pooling over time, and vertical ones; with a user's own embedding beside what they find, where the job has one.
template <typename T>
Result<nn::Activation<T>*> BuildCaser(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  ASSIGN_OR_RETURN(const Sequence<T> sequence, DeclareSequence(m, UserRows::kAllowed));
  const proto::Convolution& convolution = m->UseConvolution();
  nn::Graph<T>* const graph = m->graph();
  const std::uint32_t dim = sequence.events->cols;
  const nn::LinearOptions to_dim = {
      .units = dim, .weight_optimizer = m->DenseOptimizer(), .bias_optimizer = m->DenseOptimizer()};
  nn::LinearOptions hidden = to_dim;
  hidden.nonlinearity = nn::Nonlinearity::kRelu;
  nn::Activation<T>* x = Filters(m, nn::Windows(graph, "window", sequence.events, convolution.window()), convolution);
  x = nn::Linear(graph, "hidden", nn::Dropout(graph, "filters.dropout", x, convolution.dropout()), hidden);
  if (sequence.user != nullptr) {
    x = graph->Concat("hidden_and_user", {x, nn::Spread(graph, "user.factors.of_event", sequence.user, x->domain)});
  }
  return ScoreNext(m, sequence, nn::Linear(graph, "output", x, to_dim));
}

template Result<nn::Activation<float>*> BuildCaser(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildCaser(ModelBuilder<double>*);

}  // namespace sherd
