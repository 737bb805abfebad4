#include "models/nn/embedding.h"

#include <glog/logging.h>

namespace sherd::nn {
namespace {

template <typename T>
class EmbeddingLayer : public Layer<T> {
 public:
  EmbeddingLayer(Activation<T>* y, Segment segment) : Layer<T>({}, y), segment_(segment) {}

  void Forward(const Step<T>& step) override {
    const CpuMeter::Scope scope(step.meter, CpuMeter::Part::kPooling);
    step.kernels->pool(step.batch->tables[segment_.table], segment_, this->output().values(step.rows));
  }
  void Backward(const Step<T>& step) override {
    const CpuMeter::Scope scope(step.meter, CpuMeter::Part::kPooling);
    step.kernels->pool_gradient(step.batch->tables[segment_.table], segment_, this->output().gradients(step.rows));
  }

 private:
  const Segment segment_;
};

template <typename T>
class FirstOrderLayer : public Layer<T> {
 public:
  FirstOrderLayer(Activation<T>* y, Segment segment) : Layer<T>({}, y), segment_(segment) {}

  void Forward(const Step<T>& step) override {
    const CpuMeter::Scope scope(step.meter, CpuMeter::Part::kPooling);
    step.kernels->pool_fields(step.batch->tables[segment_.table], segment_, this->output().values(step.rows));
  }
  void Backward(const Step<T>& step) override {
    const CpuMeter::Scope scope(step.meter, CpuMeter::Part::kPooling);
    step.kernels->pool_fields_gradient(step.batch->tables[segment_.table], segment_,
                                       this->output().gradients(step.rows));
  }

 private:
  const Segment segment_;
};

}  // namespace

template <typename T>
Activation<T>* Embedding(Graph<T>* graph, const std::string& name, Segment segment) {
  return graph->Add(
      std::make_unique<EmbeddingLayer<T>>(graph->NewActivation(name, segment.fields * segment.dim), segment));
}

template <typename T>
Activation<T>* FirstOrderSum(Graph<T>* graph, const std::string& name, Segment segment) {
  CHECK_EQ(segment.dim, 1u);
  return graph->Add(std::make_unique<FirstOrderLayer<T>>(graph->NewActivation(name, 1), segment));
}

template Activation<float>* Embedding(Graph<float>*, const std::string&, Segment);
template Activation<double>* Embedding(Graph<double>*, const std::string&, Segment);
template Activation<float>* FirstOrderSum(Graph<float>*, const std::string&, Segment);
template Activation<double>* FirstOrderSum(Graph<double>*, const std::string&, Segment);

}  // namespace sherd::nn
