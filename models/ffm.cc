#include "models/model_builder.h"
#include "models/nn/field_interaction.h"

namespace sherd {

// Field-aware factorization machine (Juan et al. 2016): first-order weights, and for each pair of fields the dot
// product of the vectors that each has for the other one's field. A row of embedding_dim factors a field of the job,
// crosses left out.
template <typename T>
Result<nn::Activation<T>*> BuildFfm(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->PairableDim());
  auto terms = m->FirstOrderTerms("linear");
  const std::uint32_t fields = m->EmbeddedFields();
  std::vector<nn::Activation<T>*> parts;
  for (int table = 0; table < static_cast<int>(m->layout().tables.size()); ++table) {
    if (!m->IsCrossTable(table)) parts.push_back(m->Embedding(table, "factors", fields * dim));
  }
  terms.push_back(nn::FieldAwareInteraction(m->graph(), "interaction", m->graph()->Concat("factors", parts), fields));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildFfm(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildFfm(ModelBuilder<double>*);

}  // namespace sherd
