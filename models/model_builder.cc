#include "models/model_builder.h"

#include <algorithm>

#include "models/nn/activation.h"
#include "models/nn/batch_norm.h"
#include "models/nn/cross.h"
#include "models/nn/dot.h"
#include "models/nn/dropout.h"
#include "models/nn/elementwise.h"
#include "models/nn/embedding.h"
#include "models/nn/gemm.h"
#include "models/nn/in_batch_softmax.h"

namespace sherd {
namespace {

// Each field as the table has it, else as all tables have it, else by default; all written out, so that the same
// storage is the same message however it came about.
proto::RowStorage StorageOf(const proto::Model& model, const proto::Table* table) {
  proto::RowStorage storage = model.storage();
  if (table != nullptr) storage.MergeFrom(table->storage());
  storage.set_weights(storage.weights());
  storage.set_state(storage.state());
  storage.set_admit_after(storage.admit_after());
  storage.set_max_age_clocks(storage.max_age_clocks());
  storage.set_max_age_seconds(storage.max_age_seconds());
  storage.set_max_rows(storage.max_rows());
  storage.set_max_bytes(storage.max_bytes());
  storage.set_use(storage.use());
  storage.set_at_budget(storage.at_budget());
  return storage;
}

std::string Quote(const std::string& name) { return std::string("'").append(name).append("'"); }

}  // namespace

template <typename T>
ModelBuilder<T>::ModelBuilder(const proto::Job& job, const FeatureLayout& layout, nn::Graph<T>* graph)
    : job_(job), layout_(layout), graph_(graph) {
  for (int i = 0; i < static_cast<int>(layout.tables.size()); ++i) {
    proto::TableSpec* const spec = graph->spec().add_table();
    spec->set_name(layout.tables[i].name);
    *spec->mutable_storage() = StorageOf(job.model(), TableConfig(i));
  }
}

template <typename T>
const proto::Table* ModelBuilder<T>::TableConfig(int table) const {
  const std::string& name = layout_.tables[table].name;
  const auto found = std::find_if(job_.table().begin(), job_.table().end(), [&](auto& t) { return t.name() == name; });
  return found == job_.table().end() ? nullptr : &*found;
}

// ---- optimizers ----------------------------------------------------------------------------------------------------

template <typename T>
proto::Optimizer ModelBuilder<T>::EmbeddingOptimizer(int table) const {
  const proto::Table* config = TableConfig(table);
  const bool own = config != nullptr && config->has_optimizer();
  proto::Optimizer optimizer = own ? config->optimizer() : model().embedding_optimizer();
  if (optimizer.kind_case() == proto::Optimizer::KIND_NOT_SET) optimizer.mutable_adagrad();
  return optimizer;
}

template <typename T>
proto::Optimizer ModelBuilder<T>::LinearOptimizer(int table, const proto::Optimizer* fallback) const {
  if (model().linear_optimizer().kind_case() != proto::Optimizer::KIND_NOT_SET) return model().linear_optimizer();
  const proto::Table* config = TableConfig(table);
  const bool own = config != nullptr && config->optimizer().kind_case() != proto::Optimizer::KIND_NOT_SET;
  return own || fallback == nullptr ? EmbeddingOptimizer(table) : *fallback;
}

template <typename T>
proto::Optimizer ModelBuilder<T>::DenseOptimizer() const {
  proto::Optimizer optimizer = model().dense_optimizer();
  if (optimizer.kind_case() == proto::Optimizer::KIND_NOT_SET) optimizer.mutable_adam();
  return optimizer;
}

template <typename T>
proto::Optimizer ModelBuilder<T>::TowerOptimizer() const {
  proto::Optimizer optimizer = DenseOptimizer();
  if (model().tower().has_l2()) optimizer.set_l2(model().tower().l2());
  return optimizer;
}

// ---- tables --------------------------------------------------------------------------------------------------------

template <typename T>
bool ModelBuilder<T>::IsCrossTable(int table) const {
  return layout_.features[layout_.tables[table].features[0]].config->has_cross();
}

template <typename T>
std::uint32_t ModelBuilder<T>::EmbeddingDim(int table) const {
  const proto::Table* config = TableConfig(table);
  return config != nullptr && config->has_dim() ? config->dim() : model().embedding_dim();
}

template <typename T>
nn::Segment ModelBuilder<T>::AddSegment(int table, const proto::SegmentSpec& segment) {
  proto::TableSpec* spec = graph_->spec().mutable_table(table);
  nn::Segment place = {.table = static_cast<std::uint32_t>(table),
                       .fields = static_cast<std::uint32_t>(layout_.tables[table].features.size()),
                       .first = 0,
                       .dim = segment.dim()};
  for (const auto& earlier : spec->segment()) place.first += earlier.dim();
  *spec->add_segment() = segment;
  return place;
}

template <typename T>
nn::Segment ModelBuilder<T>::AddEmbeddingSegment(int table, const std::string& segment, std::uint32_t dim) {
  const proto::Table* config = TableConfig(table);
  proto::SegmentSpec spec;
  spec.set_name(segment);
  spec.set_dim(dim);
  *spec.mutable_optimizer() = EmbeddingOptimizer(table);
  const bool own = config != nullptr && config->has_initializer();
  proto::Initializer* initializer = spec.mutable_initializer();
  *initializer = own ? config->initializer() : model().embedding_initializer();
  initializer->set_kind(initializer->kind());  // the defaults are written out
  initializer->set_scale(initializer->scale());
  return AddSegment(table, spec);
}

template <typename T>
nn::Segment ModelBuilder<T>::AddFirstOrderSegment(int table, const std::string& segment,
                                                  const proto::Optimizer& optimizer) {
  proto::SegmentSpec spec;
  spec.set_name(segment);
  spec.set_dim(1);
  *spec.mutable_optimizer() = optimizer;
  spec.mutable_initializer()->set_kind(proto::Initializer::ZERO);
  return AddSegment(table, spec);
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::Embedding(int table, const std::string& segment, std::uint32_t dim) {
  return nn::Embedding(graph_, layout_.tables[table].name + "." + segment, AddEmbeddingSegment(table, segment, dim));
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::FirstOrder(int table, const std::string& segment,
                                               const proto::Optimizer& optimizer) {
  return nn::FirstOrderSum(graph_, layout_.tables[table].name + "." + segment,
                           AddFirstOrderSegment(table, segment, optimizer));
}

// ---- pieces --------------------------------------------------------------------------------------------------------

template <typename T>
std::vector<nn::Activation<T>*> ModelBuilder<T>::FirstOrderTerms(const std::string& segment,
                                                                 const proto::Optimizer* fallback) {
  std::vector<Activation*> terms;
  for (int table = 0; table < static_cast<int>(layout_.tables.size()); ++table) {
    terms.push_back(FirstOrder(table, segment, LinearOptimizer(table, fallback)));
  }
  if (Numbers() != nullptr) terms.push_back(Project("numbers." + segment, Numbers(), DenseOptimizer()));
  return terms;
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::Embeddings(const std::string& segment) {
  std::vector<Activation*> parts;
  for (int table = 0; table < static_cast<int>(layout_.tables.size()); ++table) {
    if (!IsCrossTable(table)) parts.push_back(Embedding(table, segment, EmbeddingDim(table)));
  }
  return parts.empty() ? nullptr : graph_->Concat(segment, parts);
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::Numbers() {
  if (numbers_ == nullptr && !layout_.numbers.empty()) {
    numbers_ = nn::Numbers(graph_, "numbers", static_cast<std::uint32_t>(layout_.numbers.size()));
  }
  return numbers_;
}

template <typename T>
Result<std::uint32_t> ModelBuilder<T>::CommonDim() const {
  std::uint32_t dim = 0;
  for (int table = 0; table < static_cast<int>(layout_.tables.size()); ++table) {
    if (IsCrossTable(table)) continue;
    if (dim != 0 && EmbeddingDim(table) != dim) {
      return Status::Invalid("table " + Quote(layout_.tables[table].name) + ": dim " +
                             std::to_string(EmbeddingDim(table)) + " differs from the other tables' " +
                             std::to_string(dim) + ", and " + model().name() + " combines fields element by element");
    }
    dim = EmbeddingDim(table);
  }
  if (dim == 0) return Status::Invalid("feature: " + model().name() + " needs a categorical or bucket feature");
  return dim;
}

// The interaction of one field is zero whatever its embedding: such a model would be its first-order terms alone.
template <typename T>
Result<std::uint32_t> ModelBuilder<T>::PairableDim() const {
  ASSIGN_OR_RETURN(const std::uint32_t dim, CommonDim());
  if (EmbeddedFields() >= 2) return dim;
  return Status::Invalid("feature: " + model().name() +
                         " needs two fields or more; with LIBSVM name them by libsvm.column");
}

template <typename T>
std::uint32_t ModelBuilder<T>::EmbeddedFields() const {
  std::size_t fields = 0;
  for (int table = 0; table < static_cast<int>(layout_.tables.size()); ++table) {
    if (!IsCrossTable(table)) fields += layout_.tables[table].features.size();
  }
  return static_cast<std::uint32_t>(fields);
}

template <typename T>
nn::Nonlinearity ModelBuilder<T>::TowerNonlinearity() const {
  switch (model().tower().activation()) {
    case proto::Tower::RELU:
      return nn::Nonlinearity::kRelu;
    case proto::Tower::TANH:
      return nn::Nonlinearity::kTanh;
    case proto::Tower::SIGMOID:
      return nn::Nonlinearity::kSigmoid;
    case proto::Tower::IDENTITY:
      break;
  }
  return nn::Nonlinearity::kIdentity;
}

template <typename T>
nn::Precision ModelBuilder<T>::TowerPrecision() const {
  return model().dense_precision() == proto::Model::BF16 && nn::HasBf16Gemm() ? nn::Precision::kBf16
                                                                              : nn::Precision::kFloat;
}

template <typename T>
const proto::Attention& ModelBuilder<T>::UseAttention() {
  has_attention_ = true;
  return model().attention();
}

template <typename T>
const proto::Convolution& ModelBuilder<T>::UseConvolution() {
  has_convolution_ = true;
  return model().convolution();
}

template <typename T>
const proto::Image& ModelBuilder<T>::UseImage() {
  has_image_ = true;
  return model().image();
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::CrossNetwork(Activation* x) {
  has_cross_network_ = true;
  Activation* const x0 = x;
  for (std::uint32_t i = 0; i < model().cross().layers(); ++i) {
    x = nn::Cross(graph_, "cross." + std::to_string(i), x0, x,
                  {.kind = model().cross().kind(),
                   .precision = TowerPrecision(),
                   .weight_optimizer = TowerOptimizer(),
                   .bias_optimizer = DenseOptimizer()});
  }
  return x;
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::Tower(Activation* x, std::span<const std::uint32_t> hidden,
                                          const std::string& prefix) {
  const proto::Tower& tower = model().tower();
  const nn::Nonlinearity f = TowerNonlinearity();
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    const std::string name = prefix + "." + std::to_string(i);
    x = nn::Linear(graph_, name, x,
                   {.units = hidden[i],
                    .bias = true,
                    .precision = TowerPrecision(),
                    .nonlinearity = tower.batch_norm() ? nn::Nonlinearity::kIdentity : f,
                    .weight_optimizer = TowerOptimizer(),
                    .bias_optimizer = DenseOptimizer()});
    if (tower.batch_norm()) {
      x = nn::BatchNorm(graph_, name + ".norm", x, DenseOptimizer());
      x = nn::Activate(graph_, name + ".activation", x, f);
    }
    x = nn::Dropout(graph_, name + ".dropout", x, tower.dropout());
  }
  return x;
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::Project(const std::string& name, Activation* x, const proto::Optimizer& optimizer) {
  return nn::Linear(graph_, name, x,
                    {.units = 1,
                     .bias = false,
                     .nonlinearity = nn::Nonlinearity::kIdentity,
                     .weight_optimizer = optimizer,
                     .bias_optimizer = optimizer});
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::Output(const std::vector<Activation*>& terms) {
  return nn::SumWithBias(graph_, "output", terms, DenseOptimizer());
}

// ---- what a model refuses ------------------------------------------------------------------------------------------

template <typename T>
Status ModelBuilder<T>::RefuseTower() const {
  if (!model().has_tower()) return {};
  return Status::Invalid("model.tower: " + model().name() + " has no tower");
}

template <typename T>
Status ModelBuilder<T>::RefuseUnused() const {
  if (model().has_cross() && !has_cross_network_) {
    return Status::Invalid("model.cross: " + model().name() + " has no cross network");
  }
  if (model().has_attention() && !has_attention_) {
    return Status::Invalid("model.attention: " + model().name() + " has no self-attention");
  }
  if (model().has_convolution() && !has_convolution_) {
    return Status::Invalid("model.convolution: " + model().name() + " has no convolution over events");
  }
  if (model().has_image() && !has_image_) {
    return Status::Invalid("model.image: " + model().name() + " has no convolution over images");
  }
  return {};
}

template <typename T>
Status ModelBuilder<T>::RequireTower() const {
  if (!model().tower().hidden().empty()) return {};
  return Status::Invalid("model.tower.hidden: " + model().name() + " needs at least one layer");
}

template <typename T>
Status ModelBuilder<T>::RequireLoss(proto::Model::Loss loss) const {
  if (model().loss() == loss) return {};
  return Status::Invalid("model.loss: " + model().name() + " is trained with " + proto::Model::Loss_Name(loss));
}

template <typename T>
nn::Activation<T>* ModelBuilder<T>::DotScore(Activation* user, Activation* item) {
  graph_->SetFactors(user, item);
  if (model().loss() == proto::Model::IN_BATCH_SOFTMAX) {
    return nn::InBatchSoftmax(graph_, "score", user, item, model().in_batch_softmax());
  }
  return nn::Dot(graph_, "score", user, item);
}

template <typename T>
Result<typename ModelBuilder<T>::UserItemTables> ModelBuilder<T>::RequireUserAndItem(FirstOrderWeights weights) const {
  const UserItemTables ids = {.user = layout_.TableId("user"), .item = layout_.TableId("item")};
  for (const auto& feature : layout_.features) {
    const bool fits = feature.table >= 0 && (feature.table == ids.user || feature.table == ids.item) &&
                      feature.field == 0 && !feature.config->has_cross();
    if (!fits) {
      return Status::Invalid("feature " + Quote(feature.name) + ": " + model().name() +
                             " takes one feature with table: \"user\", one with table: \"item\", and no others");
    }
  }
  if (ids.user < 0 || ids.item < 0) {
    return Status::Invalid("feature: " + model().name() +
                           " needs one with table: \"user\" and one with table: \"item\"");
  }
  if (weights == FirstOrderWeights::kNone && model().has_linear_optimizer()) {
    return Status::Invalid("model.linear_optimizer: " + model().name() + " has no first-order weights");
  }
  return ids;
}

template <typename T>
Status ModelBuilder<T>::RequireGraph() const {
  if (job_.data().format() != proto::Data::USER_ITEM) {
    return Status::Invalid("data.format: " + model().name() + " needs USER_ITEM, whose training rows are its graph");
  }
  for (const auto& feature : layout_.features) {
    if (feature.column == layout_.tables[feature.table].name) continue;
    return Status::Invalid("feature " + Quote(feature.name) + ": " + model().name() + " takes column user in table " +
                           "\"user\" and column item in table \"item\"");
  }
  if (model().tower().hidden().empty()) return {};
  return Status::Invalid("model.tower.hidden: " + model().name() + " has no hidden layers");
}

template <typename T>
Result<typename ModelBuilder<T>::BagTables> ModelBuilder<T>::RequireBags() const {
  if (!job_.data().user_item().has_bags()) {
    return Status::Invalid("data.user_item.bags: " + model().name() + " needs them, with format USER_ITEM");
  }
  BagTables bags = {.history = -1, .targets = -1};
  for (const auto& feature : layout_.features) {
    int* const table = feature.column == "history"   ? &bags.history
                       : feature.column == "targets" ? &bags.targets
                                                     : nullptr;
    if (table == nullptr || *table >= 0 || layout_.tables[feature.table].features.size() != 1) {
      return Status::Invalid(
          "feature " + Quote(feature.name) + ": " + model().name() +
          " takes one feature of column history, one of column targets, each in a table of its own, " +
          "and no others");
    }
    *table = feature.table;
  }
  if (bags.history < 0 || bags.targets < 0) {
    return Status::Invalid("feature: " + model().name() + " needs one of column history and one of column targets");
  }
  return bags;
}

template <typename T>
Result<std::uint32_t> ModelBuilder<T>::TowerEmbeddingDim() const {
  const std::uint32_t width = model().tower().hidden(0);
  if (width % 2 != 0) {
    return Status::Invalid("model.tower.hidden: the first number of " + model().name() +
                           " is the width of user and item together, so it must be even; it is " +
                           std::to_string(width));
  }
  for (int table = 0; table < static_cast<int>(layout_.tables.size()); ++table) {
    const proto::Table* config = TableConfig(table);
    if (config != nullptr && config->has_dim()) {
      return Status::Invalid("table " + Quote(config->name()) + ": dim can not be set, " + model().name() +
                             " has it from model.tower.hidden and model.embedding_dim");
    }
  }
  return width / 2;
}

template class ModelBuilder<float>;
template class ModelBuilder<double>;

}  // namespace sherd
