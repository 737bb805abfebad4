#include "models/model_builder.h"

namespace sherd {

// Logistic (or linear) regression: a weight of each key, one of each number, and a bias.
template <typename T>
Result<nn::Activation<T>*> BuildLr(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  return m->Output(m->FirstOrderTerms("linear"));
}

template Result<nn::Activation<float>*> BuildLr(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildLr(ModelBuilder<double>*);

}  // namespace sherd
