#pragma once

#include <string>

#include "models/model_builder.h"
#include "models/nn/dot.h"
#include "models/nn/elementwise.h"
#include "models/nn/occurrences.h"
#include "models/nn/targets.h"

namespace sherd {

// What models share that choose an item for a user's state: the score of item i in state s is x_s . e_i + b_i, with x_s
// made of the state's tokens by a tower. The table "state" has the feature of the state, a list of tokens, and, where
// the model looks ahead, behind it that of the next state; the table "item" that of the item that was shown and, behind
// it, the list of all that could be. There is one number, of which the model says what it is.
template <typename T>
class ItemChoice {
 public:
  using Activation = nn::Activation<T>;

  // `states`: features of the table "state". `number`: what the number is.
  static Result<ItemChoice> Make(ModelBuilder<T>* m, std::size_t states, const std::string& number) {
    const std::string& model = m->model().name();
    const int state = m->layout().TableId("state"), item = m->layout().TableId("item");
    const auto features = [&](int table) { return table < 0 ? 0 : m->layout().tables[table].features.size(); };
    if (features(state) != states || features(item) != 2 || m->layout().tables.size() != 2 || m->IsCrossTable(state) ||
        m->IsCrossTable(item) || m->layout().numbers.size() != 1) {
      return Status::Invalid(
          "feature: " + model + " takes " +
          (states == 2 ? "two with table: \"state\", first the state and then the next one"
                       : "one with table: \"state\"") +
          "; two with table: \"item\", first the one that was shown and then all that could be; one " + "number, " +
          number + "; and no others");
    }
    if (m->model().tower().dropout() > 0 || m->model().tower().batch_norm()) {
      return Status::Invalid("model.tower: " + model + " has neither dropout nor batch_norm: a state has one score");
    }
    return ItemChoice(m, state, item, states);
  }

  // x, [rows, dim of the items], of one of the features of the table "state". Names begin with `prefix`.
  Activation* StateVector(std::uint32_t feature, const std::string& prefix) {
    const auto& hidden = m_->model().tower().hidden();
    const nn::Segment factors = m_->AddEmbeddingSegment(state_, prefix + "factors", m_->EmbeddingDim(state_));
    Activation* x =
        nn::SumOfOccurrences(m_->graph(), prefix + "state", m_->graph()->NewDomain(state_, feature, states_), factors,
                             nn::SegmentGradient::kClears);
    x = m_->Tower(x, {hidden.data(), hidden.data() + hidden.size()}, prefix + "tower");
    return nn::Linear(m_->graph(), prefix + "output", x,
                      {.units = m_->EmbeddingDim(item_),
                       .weight_optimizer = m_->TowerOptimizer(),
                       .bias_optimizer = m_->DenseOptimizer()});
  }

  struct ItemSegments {
    nn::Segment factors, bias;
  };
  ItemSegments AddItemSegments(const std::string& prefix) {
    return {m_->AddEmbeddingSegment(item_, prefix + "factors", m_->EmbeddingDim(item_)),
            m_->AddFirstOrderSegment(item_, prefix + "bias", m_->EmbeddingOptimizer(item_))};
  }

  // Of the item that was shown, [rows, 1].
  Activation* ShownScore(Activation* x, const ItemSegments& segments, nn::SegmentGradient gradient) {
    const nn::Domain* shown = m_->graph()->NewDomain(item_, 0, 2);
    Activation* factors = nn::SumOfOccurrences(m_->graph(), "item.factors", shown, segments.factors, gradient);
    Activation* bias = nn::SumOfOccurrences(m_->graph(), "item.bias", shown, segments.bias, gradient);
    return nn::Sum(m_->graph(), "item.score", nn::Dot(m_->graph(), "item.product", x, factors), bias);
  }
  // Of all that could be, [items of all rows, 1]. Clears the segments' gradients.
  Activation* Scores(const std::string& name, Activation* x, const ItemSegments& segments) {
    return nn::TargetScores(m_->graph(), name, x, m_->graph()->NewDomain(item_, 1, 2), segments.factors, segments.bias);
  }

 private:
  ItemChoice(ModelBuilder<T>* m, int state, int item, std::size_t states)
      : m_(m), state_(state), item_(item), states_(static_cast<std::uint32_t>(states)) {}

  ModelBuilder<T>* m_;
  int state_, item_;  // tables
  std::uint32_t states_;
};

}  // namespace sherd
