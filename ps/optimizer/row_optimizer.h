#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/aligned_buffer.h"
#include "base/status.h"
#include "proto/job.pb.h"

namespace sherd {

// Rows that are updated together: one segment of a table's rows, or a dense block as a row of its own. The memory
// belongs to the caller, who has made the rows distinct.
struct RowBatch {
  std::span<float* const> rows;    // where each row's weights begin
  std::span<float* const> states;  // where its state begins
  std::uint32_t weights = 0;       // floats from a row's weights to those of the segment
  std::uint32_t state = 0;         // floats from a row's state to that of the segment
  std::uint32_t dim = 0;           // weights a row
  const float* gradients = nullptr;
  std::size_t stride = 0;  // floats from one row's gradient to the next one's
};

// What is done to a mean gradient before any optimizer sees it, and to the weights before its step.
struct GradientRules {
  float l1 = 0;         // adds l1 * sign(w)
  float l2 = 0;         // adds l2 * w
  float clip_norm = 0;  // scales the row's gradient down to at most this norm; 0: no limit
  double decay = 0;     // multiplies w by 1 - rate_scale * decay; learning_rate * weight_decay, at most 1

  bool empty() const { return l1 == 0 && l2 == 0 && clip_norm == 0 && decay == 0; }
};

// The rule by which a gradient changes a row's weights and its state. Every element goes through the same IEEE
// operations in the same order whatever the vector width, and sums over a row have fixed lanes, so that a row's bits
// depend on its gradients alone. Immutable.
class RowOptimizer {
 public:
  explicit RowOptimizer(GradientRules rules) : rules_(rules) {}
  virtual ~RowOptimizer() = default;

  // Floats of state beside a segment of `dim` weights.
  virtual std::uint32_t state_floats(std::uint32_t dim) const = 0;
  // The state of a row that has just got its first weights: zeros, where a kind does not say otherwise.
  virtual void Init(std::span<const float> weights, float* state) const {
    std::fill_n(state, state_floats(static_cast<std::uint32_t>(weights.size())), 0.0f);
  }

  // One step of every row. `batch.gradients` are sums, divided by `divisor` here; all are finite. `rate_scale` >= 0
  // multiplies the learning rate. `scratch` is reused from call to call.
  void Update(const RowBatch& batch, float divisor, float rate_scale, AlignedBuffer<float>* scratch) const;

 protected:
  virtual void Apply(const RowBatch& means, float rate_scale) const = 0;

 private:
  const GradientRules rules_;
};

// The optimizer that a job file asks for; Adagrad when it names none. Invalid: a field is out of its range or does not
// go with the kind; the text begins with `where` and names the field.
Result<std::unique_ptr<RowOptimizer>> MakeRowOptimizer(const proto::Optimizer& spec, const std::string& where);

}  // namespace sherd
