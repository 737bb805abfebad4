#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/feature_layout.h"
#include "models/nn/graph.h"
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
  const FeatureLayout& layout() const { return layout_; }
  nn::Graph<T>* graph() { return graph_; }

  // ---- optimizers, each with its kind set
  proto::Optimizer EmbeddingOptimizer(int table) const;  // the table's, the model's, or Adagrad
  proto::Optimizer DenseOptimizer() const;               // the model's or Adam
  proto::Optimizer TowerOptimizer() const;               // DenseOptimizer with the tower's l2

  // ---- tables
  bool IsCrossTable(int table) const;
  std::uint32_t EmbeddingDim(int table) const;  // the table's or the model's
  // Appends a segment to the table's rows: one that embeds each field, [rows, fields * dim], initialized as the job
  // says …
  Activation* Embedding(int table, const std::string& segment, std::uint32_t dim);
  // … or of dim 1, zero at first and summed over the fields, [rows, 1].
  Activation* FirstOrder(int table, const std::string& segment, const proto::Optimizer& optimizer);

  // ---- pieces
  // The first-order terms, each [rows, 1]: one of every table, by model.linear_optimizer or else the table's own
  // optimizer or else `fallback` or else the model's for embeddings; and numbers W if the job has numbers.
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
  // Hidden layers "tower.0" … of these units: linear, batch norm, activation, dropout, as model.tower says.
  Activation* Tower(Activation* x, std::span<const std::uint32_t> hidden);
  // x w, [rows, 1], without a bias.
  Activation* Project(const std::string& name, Activation* x, const proto::Optimizer& optimizer);
  // The sum of terms [rows, 1] and a bias, named "output".
  Activation* Output(const std::vector<Activation*>& terms);

  // ---- what a model refuses
  Status RefuseTower() const;
  Status RequireTower() const;
  // Models of users and items: one field in the table "user", one in "item", and nothing else. Their ids.
  struct UserItemTables {
    int user, item;
  };
  Result<UserItemTables> RequireUserAndItem() const;
  // Half of tower.hidden[0]: the dim of a user's and an item's embedding where the tower's first number is both
  // together.
  Result<std::uint32_t> TowerEmbeddingDim() const;

 private:
  const proto::Table* TableConfig(int table) const;
  nn::Segment AddSegment(int table, const proto::SegmentSpec& segment);

  const proto::Job& job_;
  const FeatureLayout& layout_;
  nn::Graph<T>* const graph_;
  Activation* numbers_ = nullptr;
};

extern template class ModelBuilder<float>;
extern template class ModelBuilder<double>;

}  // namespace sherd
