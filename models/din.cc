#include "models/model_builder.h"
#include "models/nn/elementwise.h"
#include "models/nn/linear.h"
#include "models/nn/occurrences.h"

namespace sherd {
namespace {

constexpr std::uint32_t kAttentionUnits = 36;  // as in the paper's figure 2

}  // namespace

// Deep interest network (Zhou et al. 2018, equation 3): a tower over the embeddings, among them that of the candidate
// item and the sum of its history's, each weighed by how much it has to do with the candidate: a network over [e_k; e;
// e_k * e], whose weights are not normalized, so that a strong interest shows. The table "item" holds both, the
// candidate's feature before its history's; so they share their rows where they share their keys.
template <typename T>
Result<nn::Activation<T>*> BuildDin(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RequireTower());
  const int items = m->layout().TableId("item");
  if (items < 0 || m->layout().tables[items].features.size() != 2 || m->IsCrossTable(items)) {
    return Status::Invalid("feature: din needs two with table: \"item\", first the candidate and then its history");
  }
  nn::Graph<T>* const graph = m->graph();
  const nn::Segment factors = m->AddEmbeddingSegment(items, "factors", m->EmbeddingDim(items));
  const nn::Domain *of_candidate = graph->NewDomain(items, 0, 2), *of_history = graph->NewDomain(items, 1, 2);
  nn::Activation<T>* candidate =
      nn::SumOfOccurrences(graph, "item.candidate", of_candidate, factors, nn::SegmentGradient::kAdds);
  nn::Activation<T>* history =
      nn::Occurrences(graph, "item.history", of_history, factors, nn::SegmentGradient::kClears);

  nn::Activation<T>* beside = nn::Spread(graph, "attention.candidate", candidate, of_history);
  nn::Activation<T>* product = nn::Product(graph, "attention.product", history, beside);
  nn::Activation<T>* weight = nn::Linear(graph, "attention.0", graph->Concat("attention", {history, beside, product}),
                                         {.units = kAttentionUnits,
                                          .nonlinearity = nn::Nonlinearity::kSigmoid,
                                          .weight_optimizer = m->TowerOptimizer(),
                                          .bias_optimizer = m->DenseOptimizer()});
  weight = nn::Linear(graph, "attention.1", weight,
                      {.weight_optimizer = m->TowerOptimizer(), .bias_optimizer = m->DenseOptimizer()});

  std::vector<nn::Activation<T>*> parts = {candidate, nn::WeightedSum(graph, "interest", weight, history)};
  std::vector<nn::Activation<T>*> terms;
  for (int table = 0; table < static_cast<int>(m->layout().tables.size()); ++table) {
    if (m->IsCrossTable(table)) {
      terms.push_back(m->FirstOrder(table, "linear", m->LinearOptimizer(table)));
    } else if (table != items) {
      parts.push_back(m->Embedding(table, "factors", m->EmbeddingDim(table)));
    }
  }
  if (m->Numbers() != nullptr) parts.push_back(m->Numbers());
  const auto& hidden = m->model().tower().hidden();
  nn::Activation<T>* x = m->Tower(graph->Concat("input", parts), {hidden.data(), hidden.data() + hidden.size()});
  terms.push_back(m->Project("deep_output", x, m->TowerOptimizer()));
  return m->Output(terms);
}

template Result<nn::Activation<float>*> BuildDin(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildDin(ModelBuilder<double>*);

}  // namespace sherd
