#pragma once

#include "base/status.h"
#include "models/model_builder.h"

namespace sherd {

// What models of sequences (data.user_item.sequences) have in common: they make a vector of what a user has had so far,
// after each event, whose product with an item's embedding is the score of that item as the next one. In training each
// event's vector is set against the item that followed it, by IN_BATCH_SOFTMAX; or, with REVERSED targets, against an
// item of the history itself. The table "item" has two features, of the columns history and item; with token_is_key
// they share their rows.
template <typename T>
struct Sequence {
  nn::Activation<T>* events;  // [events, dim]: the embeddings of the histories' items
  const nn::Domain* targets;  // the items that are scored
  nn::Segment factors;        // of the table
  nn::Activation<T>* user;    // [rows, dim]: null without a feature of column user
};

enum class UserRows { kRefused, kAllowed };  // a feature of column user, alone in a table

// Invalid, naming the field, where the job has other features or none of these, or other targets.
template <typename T>
Result<Sequence<T>> DeclareSequence(ModelBuilder<T>* m, UserRows users,
                                    proto::Sequences::Targets targets = proto::Sequences::NEXT);

// The logits, [targets, 1], of a vector for each target, [targets, dim]. Last of all: it clears the rows' gradients.
template <typename T>
nn::Activation<T>* ScoreTargets(ModelBuilder<T>* m, const Sequence<T>& sequence, nn::Activation<T>* user);

// The same of what the model has made of the events, [events, dim].
template <typename T>
nn::Activation<T>* ScoreNext(ModelBuilder<T>* m, const Sequence<T>& sequence, nn::Activation<T>* x);

}  // namespace sherd
