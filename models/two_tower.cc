#include "models/model_builder.h"
#include "models/nn/linear.h"
#include "models/nn/unit_length.h"

namespace sherd {
namespace {

// A side's vector, [rows, dim]: its embedding, and, where the job has hidden layers, what they and a linear layer make
// of it.
template <typename T>
nn::Activation<T>* Side(ModelBuilder<T>* m, int table, const std::string& name, std::uint32_t dim) {
  nn::Activation<T>* x = m->Embedding(table, "factors", dim);
  const auto& hidden = m->model().tower().hidden();
  if (!hidden.empty()) {
    x = m->Tower(x, {hidden.data(), hidden.data() + hidden.size()}, name + "_tower");
    x = nn::Linear(m->graph(), name + "_output", x,
                   {.units = dim,
                    .bias = true,
                    .nonlinearity = nn::Nonlinearity::kIdentity,
                    .weight_optimizer = m->TowerOptimizer(),
                    .bias_optimizer = m->DenseOptimizer()});
  }
  return m->model().tower().unit_length() ? nn::UnitLength(m->graph(), name + "_unit", x) : x;
}

}  // namespace

// Two-tower retrieval (Yi et al. 2019): the dot product of a vector made of the user and one made of the item.
template <typename T>
Result<nn::Activation<T>*> BuildTwoTower(ModelBuilder<T>* m) {
  ASSIGN_OR_RETURN(const auto tables, m->RequireUserAndItem());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->CommonDim());
  nn::Activation<T>* user = Side(m, tables.user, "user", dim);
  nn::Activation<T>* item = Side(m, tables.item, "item", dim);
  return m->DotScore(user, item);
}

template Result<nn::Activation<float>*> BuildTwoTower(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildTwoTower(ModelBuilder<double>*);

}  // namespace sherd
