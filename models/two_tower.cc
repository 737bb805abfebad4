#include "models/model_builder.h"
#include "models/nn/dropout.h"
#include "models/nn/elementwise.h"
#include "models/nn/events.h"
#include "models/nn/occurrences.h"
#include "models/nn/unit_length.h"

namespace sherd {
namespace {

// What the job's hidden layers, if it has any, and a linear layer make of a side's embedding, [rows, dim].
template <typename T>
nn::Activation<T>* Side(ModelBuilder<T>* m, nn::Activation<T>* x, const std::string& name, std::uint32_t dim) {
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

// Fields of the table "item" of a model that reads its words.
struct ItemFields {
  int words = -1, id = -1;
};

template <typename T>
Result<ItemFields> FindItemFields(ModelBuilder<T>* m) {
  if (m->model().convolution().has_vertical()) {
    return Status::Invalid("model.convolution.vertical: is for caser, and not for two_tower");
  }
  const FeatureLayout& layout = m->layout();
  ItemFields fields;
  int users = 0;
  for (const auto& feature : layout.features) {
    const bool of_item = feature.table >= 0 && feature.table == layout.TableId("item");
    if (feature.table >= 0 && feature.table == layout.TableId("user") && !feature.config->has_cross() && users++ == 0) {
      continue;
    }
    int* const field = feature.config->categorical().separator().empty() ? &fields.id : &fields.words;
    if (!of_item || *field >= 0 || feature.config->has_cross()) {
      return Status::Invalid("feature '" + feature.name +
                             "': with model.convolution two_tower takes one in the table " +
                             "\"user\", and in the table \"item\" one with a separator and at most one without");
    }
    *field = feature.field;
  }
  if (users == 1 && fields.words >= 0) return fields;
  return Status::Invalid("feature: with model.convolution two_tower needs one in the table \"user\", and one in the " +
                         std::string("table \"item\" with a separator, whose words the convolution is over"));
}

// A text's vector (Kim 2014), [rows, dim]: filters over 1, 2, … words in a row, of each the largest value of all
// places, and a linear layer; and the item's own embedding added to it, where the job has one.
template <typename T>
nn::Activation<T>* Text(ModelBuilder<T>* m, int table, const ItemFields& fields, std::uint32_t dim) {
  nn::Graph<T>* const graph = m->graph();
  const proto::Convolution& convolution = m->UseConvolution();
  const auto field_count = static_cast<std::uint32_t>(m->layout().tables[table].features.size());
  const nn::Segment factors = m->AddEmbeddingSegment(table, "factors", dim);
  nn::LinearOptions filters = {.units = convolution.horizontal(),
                               .nonlinearity = nn::Nonlinearity::kRelu,
                               .weight_optimizer = m->TowerOptimizer(),
                               .bias_optimizer = m->DenseOptimizer()};
  nn::Activation<T>* words = nn::Occurrences(graph, "word", graph->NewDomain(table, fields.words, field_count), factors,
                                             fields.id < 0 ? nn::SegmentGradient::kClears : nn::SegmentGradient::kAdds);
  words = nn::Weighed(graph, "word.weighed", words);
  std::vector<nn::Activation<T>*> found;
  for (std::uint32_t height = 1; height <= convolution.window(); ++height) {
    const std::string name = "text." + std::to_string(height);
    nn::Activation<T>* x = nn::Linear(graph, name, nn::Windows(graph, name + ".window", words, height), filters);
    found.push_back(nn::RowMax(graph, name + ".max", x));
  }
  nn::Activation<T>* x = nn::Dropout(graph, "text.dropout", graph->Concat("text.found", found), convolution.dropout());
  nn::LinearOptions output = filters;
  output.units = dim;
  output.nonlinearity = nn::Nonlinearity::kIdentity;
  x = nn::Linear(graph, "text.output", x, output);
  if (fields.id < 0) return x;
  nn::Activation<T>* const id = nn::SumOfOccurrences(graph, "item", graph->NewDomain(table, fields.id, field_count),
                                                     factors, nn::SegmentGradient::kClears);
  return nn::Sum(graph, "text_and_item", x, id);
}

}  // namespace

// Two-tower retrieval (Yi et al. 2019): the dot product of a vector made of the user and one made of the item, or, with
// a convolution, of its words.
template <typename T>
Result<nn::Activation<T>*> BuildTwoTower(ModelBuilder<T>* m) {
  ASSIGN_OR_RETURN(const std::uint32_t dim, m->CommonDim());
  const int users = m->layout().TableId("user"), items = m->layout().TableId("item");
  if (!m->model().has_convolution()) {
    RETURN_IF_ERROR(m->RequireUserAndItem().status());
    nn::Activation<T>* user = Side(m, m->Embedding(users, "factors", dim), "user", dim);
    return m->DotScore(user, Side(m, m->Embedding(items, "factors", dim), "item", dim));
  }
  ASSIGN_OR_RETURN(const ItemFields fields, FindItemFields(m));
  nn::Activation<T>* user = Side(m, m->Embedding(users, "factors", dim), "user", dim);
  return m->DotScore(user, Side(m, Text(m, items, fields, dim), "item", dim));
}

template Result<nn::Activation<float>*> BuildTwoTower(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildTwoTower(ModelBuilder<double>*);

}  // namespace sherd
