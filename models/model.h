#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/cpu_meter.h"
#include "base/status.h"
#include "models/batch.h"
#include "models/nn/kernels.h"
#include "proto/job.pb.h"
#include "proto/model_spec.pb.h"

namespace sherd {

template <typename T>
struct ScoreFactors {
  nn::Matrix<T> user, item;
};

// A network built once from a job, for minibatches of up to `max_rows` rows: parameters in one flat array laid out by
// DenseLayout, activations in one arena, no allocation after it is built. T is float in training, double in gradient
// checks. Confined to one thread; several models may run side by side.
template <typename T>
class Model {
 public:
  virtual ~Model() = default;

  virtual const proto::ModelSpec& spec() const = 0;
  // The flat arrays, DenseLayout::size() elements. The owner fills the parameters before Forward.
  virtual std::span<T> parameters() = 0;
  // Of the sum of the rows' losses, written by Backward. Tensors with a MovingAverage optimizer hold the batch's
  // statistic times its rows: dividing by the rows of the clock is the server's work in both cases.
  virtual std::span<T> gradients() = 0;

  enum class Mode { kTrain, kEvaluate };  // dropout and batch statistics, or running statistics
  // Logits (or values, with squared error), one a row, or one a target; valid until the next call.
  virtual std::span<const T> Forward(const Batch<T>& batch, Mode mode) = 0;
  // Where the score is a dot product (ModelSpec.factors): the user's and the item's vector of each row of the last
  // Forward, [rows, factors]. Otherwise they are null.
  virtual ScoreFactors<T> Factors() const { return {}; }
  // The sum of the rows' losses of the batch of the last Forward, times their weights.
  virtual double Loss(const Batch<T>& batch) = 0;
  // After Forward in kTrain and Loss: fills gradients() and the gradients of the batch's tables.
  virtual void Backward(const Batch<T>& batch) = 0;
  // After Forward in kEvaluate: fills the gradients of the batch's tables with those of the sum of its scores, in place
  // of those of a loss. What is in gradients() then is of no use.
  virtual void BackwardOfScores(const Batch<T>& batch) = 0;
  // Tells products, activations, pooling and interactions apart from then on. The meter, of the thread that runs the
  // model, outlives it.
  virtual void SetMeter(CpuMeter* /*meter*/) {}
  // The first layer whose output holds a NaN or Inf, by name; empty if none does. For reporting a loss that is not
  // finite.
  virtual std::string FindNonFinite() const = 0;
};

// Builds the model that the job names. Invalid, naming the field, when the job asks what the model cannot do.
template <typename T>
Result<std::unique_ptr<Model<T>>> MakeModel(const proto::Job& job, std::uint32_t max_rows);

// The tables and tensors of the job's model, without building it for any batch.
Result<proto::ModelSpec> DescribeModel(const proto::Job& job);

extern template Result<std::unique_ptr<Model<float>>> MakeModel(const proto::Job&, std::uint32_t);
extern template Result<std::unique_ptr<Model<double>>> MakeModel(const proto::Job&, std::uint32_t);

}  // namespace sherd
