#include "models/nn/dropout.h"
#include "models/nn/elementwise.h"
#include "models/nn/events.h"
#include "models/nn/layer_norm.h"
#include "models/nn/self_attention.h"
#include "models/sequences.h"

namespace sherd {
namespace {

// x + dropout(g(norm(x))), section 3.3 of the paper, with g the attention and then the network.
template <typename T>
nn::Activation<T>* Block(ModelBuilder<T>* m, const std::string& name, nn::Activation<T>* x) {
  nn::Graph<T>* const graph = m->graph();
  const proto::Attention& attention = m->model().attention();
  const auto linear = [&](const std::string& part, nn::Activation<T>* in, std::uint32_t units, nn::Nonlinearity f) {
    return nn::Linear(graph, name + part, in,
                      {.units = units,
                       .nonlinearity = f,
                       .weight_optimizer = m->DenseOptimizer(),
                       .bias_optimizer = m->DenseOptimizer()});
  };
  const auto add = [&](const std::string& part, nn::Activation<T>* to, nn::Activation<T>* g) {
    return nn::Sum(graph, name + part, to, nn::Dropout(graph, name + part + ".dropout", g, attention.dropout()));
  };
  const std::uint32_t dim = x->cols;
  nn::Activation<T>* y = nn::LayerNorm(graph, name + ".attention_norm", x, m->DenseOptimizer());
  y = linear(".query_key_value", y, 3 * dim, nn::Nonlinearity::kIdentity);
  y = nn::CausalSelfAttention(graph, name + ".attention", y, attention.heads());
  y = linear(".attended", y, dim, nn::Nonlinearity::kIdentity);
  x = add(".attention_sum", x, y);
  y = nn::LayerNorm(graph, name + ".network_norm", x, m->DenseOptimizer());
  y = linear(".network.0", y, dim, nn::Nonlinearity::kRelu);
  y = linear(".network.1", y, dim, nn::Nonlinearity::kIdentity);
  return add(".network_sum", x, y);
}

}  // namespace

// Self-attentive sequential recommendation (Kang and McAuley 2018): blocks of self-attention and a network of one
// hidden layer over the events' embeddings and places.
template <typename T>
Result<nn::Activation<T>*> BuildSasRec(ModelBuilder<T>* m) {
  RETURN_IF_ERROR(m->RefuseTower());
  ASSIGN_OR_RETURN(const Sequence<T> sequence, DeclareSequence(m, UserRows::kRefused));
  const proto::Attention& attention = m->UseAttention();
  if (sequence.events->cols % attention.heads() != 0) {
    return Status::Invalid("model.attention.heads: " + std::to_string(attention.heads()) +
                           " do not divide the embedding's dim of " + std::to_string(sequence.events->cols));
  }
  proto::Initializer initializer;
  initializer.set_kind(proto::Initializer::NORMAL);
  initializer.set_scale(0.02);
  nn::Activation<T>* x =
      nn::AddPositions(m->graph(), "input", sequence.events, m->data().user_item().sequences().max_length(),
                       initializer, m->DenseOptimizer());
  x = nn::Dropout(m->graph(), "input.dropout", x, attention.dropout());
  for (std::uint32_t i = 0; i < attention.blocks(); ++i) x = Block(m, "block." + std::to_string(i), x);
  return ScoreNext(m, sequence, nn::LayerNorm(m->graph(), "norm", x, m->DenseOptimizer()));
}

template Result<nn::Activation<float>*> BuildSasRec(ModelBuilder<float>*);
template Result<nn::Activation<double>*> BuildSasRec(ModelBuilder<double>*);

}  // namespace sherd
