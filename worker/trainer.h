#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/model.h"
#include "proto/job.pb.h"
#include "worker/data/dataset.h"
#include "worker/explainer.h"
#include "worker/parameter_layout.h"
#include "worker/private_gradients.h"
#include "worker/work.h"

namespace sherd {

// The compute of a work: points the model at the pulled values, runs it, and leaves the gradients in the work. It keeps
// nothing from one work to the next but buffers. Confined to one thread.
class Trainer {
 public:
  using MakeModel = std::function<Result<std::unique_ptr<Model<float>>>(std::uint32_t max_rows)>;

  // All but `make_model` must outlive the trainer. The model is made by Prepare, or when a minibatch is too large for
  // it.
  Trainer(const proto::Job* job, const ParameterLayout* layout, const Dataset* dataset, MakeModel make_model);

  Status Prepare(std::uint32_t max_rows);

  // Forward, loss and backward: fills the trainer's part of `work` and lets go of its pulled values. BadData when the
  // loss is not finite: the text names the rows and the model's part.
  Status Train(Work* work);
  // The scores of a work with rows: logits, or values with squared error; for a full ranking by vectors, these; of
  // lists that are to be explained, their shares. BadData when one is not finite.
  Status Predict(Work* work);

 private:
  struct Pointers {
    std::vector<const float*> values;
    std::vector<float*> gradients;
  };

  // Makes batch_ a view of the work, and copies the dense blocks into the model.
  Status Bind(Work* work);
  void BindTable(std::uint32_t table, Work* work);
  // The gradients with train.dp.
  void SumPrivately(const Work& work);
  void Score(Work* work);
  Status Explain(Work* work);
  void CopyDenseBlocks(const Work& work);
  void TakeDenseGradients(Work* work);
  void SumErrors(std::span<const float> predictions, Work* work) const;
  void CountLogits(std::span<const float> logits, Work* work) const;
  Status NotFinite(const std::string& what, const Work& work) const;

  const proto::Job* const job_;
  const ParameterLayout* const layout_;
  const Dataset* const dataset_;
  const MakeModel make_model_;
  std::unique_ptr<Model<float>> model_;
  std::uint32_t max_rows_ = 0;
  Batch<float> batch_;
  std::vector<Pointers> pointers_;  // by table
  std::optional<PrivateGradients> private_;
  std::optional<Explainer> explainer_;                // once there is something to explain
  std::vector<PrivateGradients::Keys> private_keys_;  // by table
  std::vector<std::size_t> frames_taken_;             // by shard, while the tables of a work are bound
};

}  // namespace sherd
