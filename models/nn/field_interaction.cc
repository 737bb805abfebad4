#include "models/nn/field_interaction.h"

#include <glog/logging.h>

#include "models/nn/field_kernels.h"

namespace sherd::nn {
namespace {

template <typename T>
class BiInteractionLayer : public Layer<T> {
 public:
  BiInteractionLayer(Activation<T>* x, Activation<T>* y, Activation<T>* sums) : Layer<T>({x}, y), sums_(sums) {}

  void Forward(const Step<T>& step) override {
    FieldKernels<T>::Best().pool_pairs(this->input().values(step.rows), sums_->values(step.rows),
                                       this->output().values(step.rows));
  }
  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    FieldKernels<T>::Best().pool_pairs_gradient(this->input().values(step.rows), sums_->values(step.rows),
                                                this->output().gradients(step.rows), this->input().gradients(step.rows),
                                                this->write() == Write::kAdd);
  }

 private:
  Activation<T>* const sums_;  // [rows, dim]
};

template <typename T>
class FieldAwareLayer : public Layer<T> {
 public:
  FieldAwareLayer(Activation<T>* x, Activation<T>* y, std::uint32_t fields) : Layer<T>({x}, y), fields_(fields) {}

  void Forward(const Step<T>& step) override {
    FieldKernels<T>::Best().field_aware(this->input().values(step.rows), fields_, this->output().values(step.rows));
  }
  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    FieldKernels<T>::Best().field_aware_gradient(this->input().values(step.rows), fields_,
                                                 this->output().gradients(step.rows),
                                                 this->input().gradients(step.rows), this->write() == Write::kAdd);
  }

 private:
  const std::uint32_t fields_;
};

}  // namespace

template <typename T>
Activation<T>* BiInteraction(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t dim) {
  CHECK_EQ(x->cols % dim, 0u);
  return graph->Add(
      std::make_unique<BiInteractionLayer<T>>(x, graph->NewActivation(name, dim), graph->NewScratch(dim)));
}

template <typename T>
Activation<T>* FieldAwareInteraction(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t fields) {
  CHECK_EQ(x->cols % (fields * fields), 0u);
  return graph->Add(std::make_unique<FieldAwareLayer<T>>(x, graph->NewActivation(name, 1), fields));
}

template Activation<float>* BiInteraction(Graph<float>*, const std::string&, Activation<float>*, std::uint32_t);
template Activation<double>* BiInteraction(Graph<double>*, const std::string&, Activation<double>*, std::uint32_t);
template Activation<float>* FieldAwareInteraction(Graph<float>*, const std::string&, Activation<float>*, std::uint32_t);
template Activation<double>* FieldAwareInteraction(Graph<double>*, const std::string&, Activation<double>*,
                                                   std::uint32_t);

}  // namespace sherd::nn
