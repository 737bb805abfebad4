#include "models/sequences.h"

#include <string>

#include "models/nn/events.h"
#include "models/nn/occurrences.h"

namespace sherd {
namespace {

struct Places {
  int items = -1, users = -1;           // tables
  std::uint32_t history = 0, item = 0;  // fields of the items' table
};

template <typename T>
Result<Places> FindFeatures(ModelBuilder<T>* m, UserRows users) {
  const FeatureLayout& layout = m->layout();
  Places places;
  int history = -1, item = -1;
  for (int i = 0; i < static_cast<int>(layout.features.size()); ++i) {
    const auto& feature = layout.features[i];
    int* const known = feature.column == "history"                               ? &history
                       : feature.column == "item"                                ? &item
                       : feature.column == "user" && users == UserRows::kAllowed ? &places.users
                                                                                 : nullptr;
    if (known == nullptr || *known >= 0 || feature.table < 0) {
      return Status::Invalid("feature '" + feature.name + "': " + m->model().name() +
                             " takes one of column history and one of column item, " +
                             (users == UserRows::kAllowed ? "and at most one of column user" : "and no others"));
    }
    *known = known == &places.users ? feature.table : i;
  }
  if (history < 0 || item < 0) {
    return Status::Invalid("feature: " + m->model().name() + " needs one of column history and one of column item");
  }
  places.items = layout.features[item].table;
  if (layout.features[history].table != places.items || places.users == places.items) {
    return Status::Invalid("feature '" + layout.features[history].name + "': " + m->model().name() +
                           " has the items of histories in the table of its items, and users in another");
  }
  places.history = static_cast<std::uint32_t>(layout.features[history].field);
  places.item = static_cast<std::uint32_t>(layout.features[item].field);
  return places;
}

}  // namespace

template <typename T>
Result<Sequence<T>> DeclareSequence(ModelBuilder<T>* m, UserRows users, proto::Sequences::Targets targets) {
  if (!m->data().user_item().has_sequences()) {
    return Status::Invalid("data.user_item.sequences: " + m->model().name() + " needs them, with format USER_ITEM");
  }
  if (m->data().user_item().sequences().targets() != targets) {
    return Status::Invalid("data.user_item.sequences.targets: " + m->model().name() + " is trained with " +
                           proto::Sequences::Targets_Name(targets));
  }
  RETURN_IF_ERROR(m->RequireLoss(proto::Model::IN_BATCH_SOFTMAX));
  ASSIGN_OR_RETURN(const Places places, FindFeatures(m, users));
  Sequence<T> sequence = {};
  sequence.factors = m->AddEmbeddingSegment(places.items, "factors", m->EmbeddingDim(places.items));
  const nn::Domain* history = m->graph()->NewDomain(places.items, places.history, 2);
  sequence.targets = m->graph()->NewDomain(places.items, places.item, 2);
  sequence.events = nn::Occurrences(m->graph(), "item.history", history, sequence.factors, nn::SegmentGradient::kAdds);
  if (places.users >= 0) sequence.user = m->Embedding(places.users, "factors", m->EmbeddingDim(places.users));
  return sequence;
}

template <typename T>
nn::Activation<T>* ScoreTargets(ModelBuilder<T>* m, const Sequence<T>& sequence, nn::Activation<T>* user) {
  nn::Activation<T>* item =
      nn::Occurrences(m->graph(), "item", sequence.targets, sequence.factors, nn::SegmentGradient::kClears);
  return m->DotScore(user, item);
}

template <typename T>
nn::Activation<T>* ScoreNext(ModelBuilder<T>* m, const Sequence<T>& sequence, nn::Activation<T>* x) {
  return ScoreTargets(m, sequence, nn::LastEvents(m->graph(), "user", x, sequence.targets));
}

template Result<Sequence<float>> DeclareSequence(ModelBuilder<float>*, UserRows, proto::Sequences::Targets);
template Result<Sequence<double>> DeclareSequence(ModelBuilder<double>*, UserRows, proto::Sequences::Targets);
template nn::Activation<float>* ScoreTargets(ModelBuilder<float>*, const Sequence<float>&, nn::Activation<float>*);
template nn::Activation<double>* ScoreTargets(ModelBuilder<double>*, const Sequence<double>&, nn::Activation<double>*);
template nn::Activation<float>* ScoreNext(ModelBuilder<float>*, const Sequence<float>&, nn::Activation<float>*);
template nn::Activation<double>* ScoreNext(ModelBuilder<double>*, const Sequence<double>&, nn::Activation<double>*);

}  // namespace sherd
