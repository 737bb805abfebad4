#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "models/nn/graph.h"
#include "models/nn/linear.h"
#include "proto/job.pb.h"

namespace sherd {

// What a model's function builds with: the job, its features, and the pieces that several models share, with the job's
// optimizers, initializers and dims filled in. A piece that the job can not have is Invalid, naming the field.
template <typename T>
class ModelBuilder {
 public:
  using Activation = nn::Activation<T>;

  // All three must outlive the builder. Gives each of the layout's tables a place in the graph's spec.
  ModelBuilder(const proto::Job& job, const FeatureLayout& layout, nn::Graph<T>* graph);

  const proto::Model& model() const { return job_.model(); }
  const proto::Data& data() const { return job_.data(); }
  const FeatureLayout& layout() const { return layout_; }
  nn::Graph<T>* graph() { return graph_; }

  // ---- optimizers, each with its kind set
  proto::Optimizer EmbeddingOptimizer(int table) const;  // the table's, the model's, or Adagrad
  // Of first-order weights: model.linear_optimizer or else the table's own or else `fallback` or else the model's for
  // embeddings.
  proto::Optimizer LinearOptimizer(int table, const proto::Optimizer* fallback = nullptr) const;
  proto::Optimizer DenseOptimizer() const;  // the model's or Adam
  proto::Optimizer TowerOptimizer() const;  // DenseOptimizer with the tower's l2

  // ---- tables
  bool IsCrossTable(int table) const;
  std::uint32_t EmbeddingDim(int table) const;  // the table's or the model's
  // Appends a segment to the table's rows, for a layer that looks it up itself: initialized as the job says, or of dim
  // 1 and zero.
  nn::Segment AddEmbeddingSegment(int table, const std::string& segment, std::uint32_t dim);
  nn::Segment AddFirstOrderSegment(int table, const std::string& segment, const proto::Optimizer& optimizer);
  // The same, looked up: a segment that embeds each field, [rows, fields * dim], initialized as the job
  // says …
  Activation* Embedding(int table, const std::string& segment, std::uint32_t dim);
  // … or of dim 1, zero at first and summed over the fields, [rows, 1].
  Activation* FirstOrder(int table, const std::string& segment, const proto::Optimizer& optimizer);

  // ---- pieces
  // The first-order terms, each [rows, 1]: one of every table, by LinearOptimizer; and numbers W if the job has
  // numbers.
  std::vector<Activation*> FirstOrderTerms(const std::string& segment, const proto::Optimizer* fallback = nullptr);
  // A segment of each table but those of crosses, embedded and side by side: [rows, sum of fields * dim]; null if there
  // is no such table.
  Activation* Embeddings(const std::string& segment);
  Activation* Numbers();  // [rows, numbers]; null if the job has none
  // The tables other than those of crosses have one dim, which is returned, for models that combine fields element by
  // element.
  Result<std::uint32_t> CommonDim() const;
  // The same for models of pairs of fields: there are two fields or more besides crosses.
  Result<std::uint32_t> PairableDim() const;
  std::uint32_t EmbeddedFields() const;  // of all tables but those of crosses
  // Layers "cross.0" … over x, as model.cross says; [rows, x's cols].
  Activation* CrossNetwork(Activation* x);
  // Settings that are refused for models that do not ask for them.
  const proto::Attention& UseAttention();
  const proto::Convolution& UseConvolution();
  const proto::Image& UseImage();
  nn::Nonlinearity TowerNonlinearity() const;
  // Hidden layers "tower.0" … of these units: linear, batch norm, activation, dropout, as model.tower says.
  Activation* Tower(Activation* x, std::span<const std::uint32_t> hidden, const std::string& name = "tower");
  // x w, [rows, 1], without a bias.
  Activation* Project(const std::string& name, Activation* x, const proto::Optimizer& optimizer);
  // The sum of terms [rows, 1] and a bias, named "output".
  Activation* Output(const std::vector<Activation*>& terms);
  // The score of a model that is a dot product of a user's and an item's vector, [rows, dim] each, named "score". So it
  // can rank all items by one product of matrices: user must not depend on the item's features, nor item on the user's.
  Activation* DotScore(Activation* user, Activation* item);

  // ---- what a model refuses
  Status RefuseTower() const;
  Status RequireTower() const;
  // A part of the job's model that no piece was made of, once all are made.
  Status RefuseUnused() const;
  Status RequireLoss(proto::Model::Loss loss) const;
  // Models of users and items: one field in the table "user", one in "item", and nothing else. Their ids.
  struct UserItemTables {
    int user, item;
  };
  enum class FirstOrderWeights { kNone, kOfBoth };  // without them a linear_optimizer is refused
  Result<UserItemTables> RequireUserAndItem(FirstOrderWeights weights = FirstOrderWeights::kNone) const;
  // Models of bags (data.user_item.bags): a feature of each of the columns history and targets, alone in its table, and
  // nothing else. Their tables.
  struct BagTables {
    int history, targets;
  };
  Result<BagTables> RequireBags() const;
  // Models over the graph of users and items, besides RequireUserAndItem: format USER_ITEM, each table's feature is of
  // the column of its name, and no hidden layers.
  Status RequireGraph() const;
  // Half of tower.hidden[0]: the dim of a user's and an item's embedding where the tower's first number is both
  // together.
  Result<std::uint32_t> TowerEmbeddingDim() const;

 private:
  const proto::Table* TableConfig(int table) const;
  nn::Precision TowerPrecision() const;
  nn::Segment AddSegment(int table, const proto::SegmentSpec& segment);

  const proto::Job& job_;
  const FeatureLayout& layout_;
  nn::Graph<T>* const graph_;
  Activation* numbers_ = nullptr;
  bool has_cross_network_ = false, has_attention_ = false, has_convolution_ = false, has_image_ = false;
};

extern template class ModelBuilder<float>;
extern template class ModelBuilder<double>;

}  // namespace sherd
