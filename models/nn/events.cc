#include "models/nn/events.h"

#include <glog/logging.h>

#include <algorithm>

namespace sherd::nn {
namespace {

template <typename T>
void AddTo(const T* __restrict from, std::uint32_t n, T* __restrict to) {
  for (std::uint32_t i = 0; i < n; ++i) to[i] += from[i];
}

template <typename T>
void Clear(const Activation<T>& x, std::uint32_t rows) {
  for (std::uint32_t r = 0; r < rows; ++r) std::fill_n(x.gradient + r * x.stride, x.cols, T{0});
}

template <typename T>
class PositionsLayer : public Layer<T> {
 public:
  PositionsLayer(Activation<T>* x, Activation<T>* y, Parameter<T>* position) : Layer<T>({x}, y), position_(position) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    ForEach(step, [&](std::uint32_t k, std::uint32_t place) {
      T* out = y.data + k * y.stride;
      std::copy_n(x.data + k * x.stride, x.cols, out);
      AddTo(position_->data + std::size_t{place} * x.cols, x.cols, out);
    });
  }

  void Backward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    std::fill_n(position_->gradient, position_->size(), T{0});
    ForEach(step, [&](std::uint32_t k, std::uint32_t place) {
      const T* dy = y.gradient + k * y.stride;
      AddTo(dy, y.cols, position_->gradient + std::size_t{place} * y.cols);
      if (this->write() == Write::kAssign) std::copy_n(dy, y.cols, x.gradient + k * x.stride);
      if (this->write() == Write::kAdd) AddTo(dy, y.cols, x.gradient + k * x.stride);
    });
  }

 private:
  // Calls visit(event, place).
  template <typename Visit>
  void ForEach(const Step<T>& step, const Visit& visit) const {
    const Domain& domain = *this->output().domain;
    for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
      const std::uint32_t begin = domain.begin[r], end = domain.begin[r + 1];
      CHECK_LE(end - begin, position_->rows) << "a row with more events than there are places";
      for (std::uint32_t k = begin; k < end; ++k) visit(k, k - begin);
    }
  }

  Parameter<T>* const position_;  // [places, cols]
};

template <typename T>
class WindowsLayer : public Layer<T> {
 public:
  WindowsLayer(Activation<T>* x, Activation<T>* y, std::uint32_t window) : Layer<T>({x}, y), window_(window) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    ForEach(step, [&](std::uint32_t k, std::uint32_t events) {
      T* out = y.data + k * y.stride;
      const std::uint32_t missing = window_ - events;
      std::fill_n(out, std::size_t{missing} * x.cols, T{0});
      for (std::uint32_t i = missing; i < window_; ++i) {
        std::copy_n(x.data + (k + 1 + i - window_) * x.stride, x.cols, out + std::size_t{i} * x.cols);
      }
    });
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    if (this->write() == Write::kAssign) Clear(x, step.rows);
    ForEach(step, [&](std::uint32_t k, std::uint32_t events) {
      const T* dy = y.gradient + k * y.stride;
      for (std::uint32_t i = window_ - events; i < window_; ++i) {
        AddTo(dy + std::size_t{i} * x.cols, x.cols, x.gradient + (k + 1 + i - window_) * x.stride);
      }
    });
  }

 private:
  // Calls visit(event, events): so many events has its window.
  template <typename Visit>
  void ForEach(const Step<T>& step, const Visit& visit) const {
    const Domain& domain = *this->output().domain;
    for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
      const std::uint32_t begin = domain.begin[r];
      for (std::uint32_t k = begin; k < domain.begin[r + 1]; ++k) visit(k, std::min(window_, k + 1 - begin));
    }
  }

  const std::uint32_t window_;
};

template <typename T>
class LastEventsLayer : public Layer<T> {
 public:
  LastEventsLayer(Activation<T>* x, Activation<T>* y, const Domain* targets) : Layer<T>({x}, y), targets_(targets) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t k = 0; k < step.rows; ++k) std::fill_n(y.data + k * y.stride, y.cols, T{0});
    ForEach(step, [&](std::uint32_t event, std::uint32_t target) {
      std::copy_n(x.data + event * x.stride, x.cols, y.data + target * y.stride);
    });
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    if (this->write() == Write::kAssign) Clear(x, x.domain->rows);
    ForEach(step, [&](std::uint32_t event, std::uint32_t target) {
      AddTo(y.gradient + target * y.stride, y.cols, x.gradient + event * x.stride);
    });
  }

 private:
  // Calls visit(event, target) for the targets that have one.
  template <typename Visit>
  void ForEach(const Step<T>& step, const Visit& visit) const {
    const Domain& events = *this->input().domain;
    for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
      const std::uint32_t event_end = events.begin[r + 1], target_end = targets_->begin[r + 1];
      const std::uint32_t n = std::min(event_end - events.begin[r], target_end - targets_->begin[r]);
      for (std::uint32_t i = n; i > 0; --i) visit(event_end - i, target_end - i);
    }
  }

  const Domain* const targets_;
};

template <typename T>
class LastEventLayer : public Layer<T> {
 public:
  using Layer<T>::Layer;

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    const Domain& events = *x.domain;
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      T* const out = y.data + r * y.stride;
      if (events.begin[r] == events.begin[r + 1]) {
        std::fill_n(out, y.cols, T{0});
      } else {
        std::copy_n(x.data + (events.begin[r + 1] - 1) * x.stride, y.cols, out);
      }
    }
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    const Domain& events = *x.domain;
    if (this->write() == Write::kAssign) Clear(x, events.rows);
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      if (events.begin[r] == events.begin[r + 1]) continue;
      AddTo(y.gradient + r * y.stride, y.cols, x.gradient + (events.begin[r + 1] - 1) * x.stride);
    }
  }
};

}  // namespace

template <typename T>
Activation<T>* AddPositions(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t places,
                            const proto::Initializer& initializer, const proto::Optimizer& optimizer) {
  CHECK(x->domain != nullptr);
  proto::TensorSpec position;
  position.set_name(name + ".position");
  position.set_rows(places);
  position.set_cols(x->cols);
  *position.mutable_optimizer() = optimizer;
  *position.mutable_initializer() = initializer;
  Parameter<T>* parameter = graph->NewParameter(position);
  return graph->Add(std::make_unique<PositionsLayer<T>>(x, graph->NewActivation(name, x->cols), parameter));
}

template <typename T>
Activation<T>* Windows(Graph<T>* graph, const std::string& name, Activation<T>* x, std::uint32_t window) {
  CHECK(x->domain != nullptr);
  return graph->Add(std::make_unique<WindowsLayer<T>>(x, graph->NewActivation(name, window * x->cols), window));
}

template <typename T>
Activation<T>* LastEvents(Graph<T>* graph, const std::string& name, Activation<T>* x, const Domain* targets) {
  CHECK(x->domain != nullptr);
  return graph->AddIn(targets, std::make_unique<LastEventsLayer<T>>(x, graph->NewActivation(name, x->cols), targets));
}

template <typename T>
Activation<T>* LastEvent(Graph<T>* graph, const std::string& name, Activation<T>* x) {
  CHECK(x->domain != nullptr);
  return graph->AddIn(nullptr,
                      std::make_unique<LastEventLayer<T>>(std::vector{x}, graph->NewActivation(name, x->cols)));
}

#define SHERD_OF_TYPE(T)                                                                             \
  template Activation<T>* AddPositions(Graph<T>*, const std::string&, Activation<T>*, std::uint32_t, \
                                       const proto::Initializer&, const proto::Optimizer&);          \
  template Activation<T>* Windows(Graph<T>*, const std::string&, Activation<T>*, std::uint32_t);     \
  template Activation<T>* LastEvents(Graph<T>*, const std::string&, Activation<T>*, const Domain*);  \
  template Activation<T>* LastEvent(Graph<T>*, const std::string&, Activation<T>*);
SHERD_OF_TYPE(float)
SHERD_OF_TYPE(double)
#undef SHERD_OF_TYPE

}  // namespace sherd::nn
