#include "models/nn/interaction.h"

#include <glog/logging.h>

namespace sherd::nn {
namespace {

template <typename T>
class InteractionLayer : public Layer<T> {
 public:
  InteractionLayer(Activation<T>* x, Activation<T>* y, Activation<T>* sums) : Layer<T>({x}, y), sums_(sums) {}

  void Forward(const Step<T>& step) override {
    const CpuMeter::Scope scope(step.meter, CpuMeter::Part::kInteraction);
    step.kernels->interaction(this->input().values(step.rows), sums_->values(step.rows),
                              this->output().values(step.rows));
  }
  // By x[f, d]: dy * (sum of x[., d] - x[f, d]).
  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const CpuMeter::Scope scope(step.meter, CpuMeter::Part::kInteraction);
    step.kernels->interaction_gradient(this->input().values(step.rows), sums_->values(step.rows),
                                       this->output().gradients(step.rows), this->input().gradients(step.rows),
                                       this->write() == Write::kAdd);
  }

 private:
  Activation<T>* const sums_;  // [rows, dim]
};

}  // namespace

template <typename T>
Activation<T>* Interaction(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t dim) {
  CHECK_EQ(x->cols % dim, 0u);
  return graph->Add(std::make_unique<InteractionLayer<T>>(x, graph->NewActivation(name, 1), graph->NewScratch(dim)));
}

template Activation<float>* Interaction(Graph<float>*, const std::string&, Activation<float>*, std::uint32_t);
template Activation<double>* Interaction(Graph<double>*, const std::string&, Activation<double>*, std::uint32_t);

}  // namespace sherd::nn
