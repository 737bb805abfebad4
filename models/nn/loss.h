#pragma once

#include "models/batch.h"
#include "models/nn/graph.h"
#include "proto/job.pb.h"

namespace sherd::nn {

// The sum over the logits' rows (step.rows: those of the batch, or of a domain) of weight * loss(logit, label), and its
// gradient, written to that of `logits` [rows, 1]. LOG_LOSS: log(1 + e^z) - label * z, which is -log of the label's
// probability under sigmoid(z), computed without overflow. SQUARED_ERROR: (z - label)^2. BPR, of the
// groups that the batch says: the mean over the negatives of -log sigmoid(z_positive - z_negative), once for each row
// of the group, so that a mean over rows is one over groups; the weight is that of the positive. A row alone has
// nothing to be compared with: its loss is 0.
//
// kHardest: BPR has of a group's negatives the one with the highest score alone, the first of equal ones, in place of
// the mean over all (dynamic negative sampling, Zhang et al. 2013).
enum class Negatives { kMean, kHardest };
template <typename T>
double Loss(proto::Model::Loss kind, const Step<T>& step, const Activation<T>& logits,
            Negatives negatives = Negatives::kMean);

}  // namespace sherd::nn
