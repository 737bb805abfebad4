#include "models/nn/occurrences.h"

#include <glog/logging.h>

#include <algorithm>

namespace sherd::nn {
namespace {

// Calls visit(r, k) for each occurrence k of each row r of the batch.
template <typename T, typename Visit>
void ForEach(const Step<T>& step, const Domain& domain, const Visit& visit) {
  for (std::uint32_t r = 0; r < step.batch->rows; ++r) {
    for (std::uint32_t k = domain.begin[r]; k < domain.begin[r + 1]; ++k) visit(r, k);
  }
}

template <typename T>
void AddTo(const T* __restrict from, std::uint32_t n, T* __restrict to) {
  for (std::uint32_t i = 0; i < n; ++i) to[i] += from[i];
}

template <typename T>
class LookUpLayer : public Layer<T> {
 public:
  LookUpLayer(Activation<T>* y, const Domain* domain, Segment segment, SegmentGradient gradient)
      : Layer<T>({}, y), domain_(domain), segment_(segment), gradient_(gradient) {}

  void Forward(const Step<T>& step) override {
    const auto& y = this->output();
    if (is_sum()) {
      for (std::uint32_t r = 0; r < step.rows; ++r) std::fill_n(y.data + r * y.stride, y.cols, T{0});
    }
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      const T* row = table(step).values[domain_->Unique(*step.batch, r, k)] + segment_.first;
      if (is_sum()) {
        AddTo(row, y.cols, y.data + r * y.stride);
      } else {
        std::copy_n(row, y.cols, y.data + k * y.stride);
      }
    });
  }

  void Backward(const Step<T>& step) override {
    const auto& y = this->output();
    if (gradient_ == SegmentGradient::kClears) {
      for (T* row : table(step).gradients) std::fill_n(row + segment_.first, segment_.dim, T{0});
    }
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      T* row = table(step).gradients[domain_->Unique(*step.batch, r, k)] + segment_.first;
      AddTo(y.gradient + (is_sum() ? r : k) * y.stride, y.cols, row);
    });
  }

 private:
  bool is_sum() const { return this->output().domain == nullptr; }
  const TableBatch<T>& table(const Step<T>& step) const { return step.batch->tables[domain_->table]; }

  const Domain* const domain_;
  const Segment segment_;
  const SegmentGradient gradient_;
};

template <typename T>
class SpreadLayer : public Layer<T> {
 public:
  SpreadLayer(Activation<T>* x, Activation<T>* y, const Domain* domain) : Layer<T>({x}, y), domain_(domain) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      std::copy_n(x.data + r * x.stride, x.cols, y.data + k * y.stride);
    });
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    if (this->write() == Write::kAssign) {
      for (std::uint32_t r = 0; r < step.batch->rows; ++r) std::fill_n(x.gradient + r * x.stride, x.cols, T{0});
    }
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      AddTo(y.gradient + k * y.stride, x.cols, x.gradient + r * x.stride);
    });
  }

 private:
  const Domain* const domain_;
};

template <typename T>
class WeighedLayer : public Layer<T> {
 public:
  WeighedLayer(Activation<T>* x, Activation<T>* y) : Layer<T>({x}, y), domain_(x->domain) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      const T weight = Weight(step, r, k);
      for (std::uint32_t c = 0; c < y.cols; ++c) y.data[k * y.stride + c] = weight * x.data[k * x.stride + c];
    });
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      const T weight = Weight(step, r, k), *dy = y.gradient + k * y.stride;
      T* dx = x.gradient + k * x.stride;
      const bool add = this->write() == Write::kAdd;
      for (std::uint32_t c = 0; c < y.cols; ++c) dx[c] = add ? dx[c] + weight * dy[c] : weight * dy[c];
    });
  }

 private:
  T Weight(const Step<T>& step, std::uint32_t r, std::uint32_t k) const {
    const auto& weights = step.batch->tables[domain_->table].weight;
    return weights.empty() ? T{1} : static_cast<T>(weights[domain_->first[r] + (k - domain_->begin[r])]);
  }

  const Domain* const domain_;
};

template <typename T>
class RowSumLayer : public Layer<T> {
 public:
  RowSumLayer(Activation<T>* x, Activation<T>* y) : Layer<T>({x}, y), domain_(x->domain) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) std::fill_n(y.data + r * y.stride, y.cols, T{0});
    ForEach(step, *domain_,
            [&](std::uint32_t r, std::uint32_t k) { AddTo(x.data + k * x.stride, y.cols, y.data + r * y.stride); });
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      const T* dy = y.gradient + r * y.stride;
      T* dx = x.gradient + k * x.stride;
      if (this->write() == Write::kAdd) {
        AddTo(dy, y.cols, dx);
      } else {
        std::copy_n(dy, y.cols, dx);
      }
    });
  }

 private:
  const Domain* const domain_;
};

template <typename T>
class RowMaxLayer : public Layer<T> {
 public:
  RowMaxLayer(Activation<T>* x, Activation<T>* y) : Layer<T>({x}, y), domain_(x->domain) {}

  void Forward(const Step<T>& step) override {
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      const std::uint32_t begin = domain_->begin[r], end = domain_->begin[r + 1];
      T* const out = y.data + r * y.stride;
      std::fill_n(out, y.cols, T{0});
      if (begin < end) std::copy_n(x.data + begin * x.stride, y.cols, out);
      for (std::uint32_t k = begin; k < end; ++k) {
        const T* const in = x.data + k * x.stride;
        for (std::uint32_t c = 0; c < y.cols; ++c) out[c] = std::max(out[c], in[c]);
      }
    }
  }

  void Backward(const Step<T>& step) override {
    if (this->write() == Write::kNone) return;
    const auto &x = this->input(), &y = this->output();
    for (std::uint32_t k = 0; k < domain_->rows && this->write() == Write::kAssign; ++k) {
      std::fill_n(x.gradient + k * x.stride, x.cols, T{0});
    }
    for (std::uint32_t r = 0; r < step.rows; ++r) {
      if (domain_->begin[r] == domain_->begin[r + 1]) continue;
      for (std::uint32_t c = 0; c < y.cols; ++c) {
        std::uint32_t k = domain_->begin[r];
        while (x.data[k * x.stride + c] != y.data[r * y.stride + c] && k + 1 < domain_->begin[r + 1]) ++k;
        x.gradient[k * x.stride + c] += y.gradient[r * y.stride + c];
      }
    }
  }

 private:
  const Domain* const domain_;
};

template <typename T>
class WeightedSumLayer : public Layer<T> {
 public:
  WeightedSumLayer(Activation<T>* a, Activation<T>* x, Activation<T>* y) : Layer<T>({a, x}, y), domain_(x->domain) {}

  void Forward(const Step<T>& step) override {
    const auto &a = this->input(0), &x = this->input(1), &y = this->output();
    for (std::uint32_t r = 0; r < step.rows; ++r) std::fill_n(y.data + r * y.stride, y.cols, T{0});
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      const T weight = a.data[k * a.stride];
      const T* from = x.data + k * x.stride;
      T* to = y.data + r * y.stride;
      for (std::uint32_t c = 0; c < y.cols; ++c) to[c] += weight * from[c];
    });
  }

  // By a_k: dy_r . x_k. By x_k: a_k dy_r.
  void Backward(const Step<T>& step) override {
    const auto &a = this->input(0), &x = this->input(1), &y = this->output();
    ForEach(step, *domain_, [&](std::uint32_t r, std::uint32_t k) {
      const T *dy = y.gradient + r * y.stride, *in = x.data + k * x.stride, weight = a.data[k * a.stride];
      if (this->write(0) != Write::kNone) {
        T dot = 0;
        for (std::uint32_t c = 0; c < y.cols; ++c) dot += dy[c] * in[c];
        T& da = a.gradient[k * a.stride];
        da = this->write(0) == Write::kAdd ? da + dot : dot;
      }
      if (this->write(1) == Write::kNone) return;
      T* dx = x.gradient + k * x.stride;
      const bool add = this->write(1) == Write::kAdd;
      for (std::uint32_t c = 0; c < y.cols; ++c) dx[c] = add ? dx[c] + weight * dy[c] : weight * dy[c];
    });
  }

 private:
  const Domain* const domain_;
};

}  // namespace

template <typename T>
Activation<T>* Occurrences(Graph<T>* graph, const std::string& name, const Domain* domain, Segment segment,
                           SegmentGradient gradient) {
  CHECK_EQ(segment.table, domain->table);
  Activation<T>* y = graph->NewActivation(name, segment.dim);
  return graph->AddIn(domain, std::make_unique<LookUpLayer<T>>(y, domain, segment, gradient));
}

template <typename T>
Activation<T>* SumOfOccurrences(Graph<T>* graph, const std::string& name, const Domain* domain, Segment segment,
                                SegmentGradient gradient) {
  CHECK_EQ(segment.table, domain->table);
  Activation<T>* y = graph->NewActivation(name, segment.dim);
  return graph->AddIn(nullptr, std::make_unique<LookUpLayer<T>>(y, domain, segment, gradient));
}

template <typename T>
Activation<T>* Spread(Graph<T>* graph, const std::string& name, Activation<T>* x, const Domain* domain) {
  CHECK(x->domain == nullptr);
  return graph->AddIn(domain, std::make_unique<SpreadLayer<T>>(x, graph->NewActivation(name, x->cols), domain));
}

template <typename T>
Activation<T>* Weighed(Graph<T>* graph, const std::string& name, Activation<T>* x) {
  CHECK(x->domain != nullptr);
  return graph->AddIn(x->domain, std::make_unique<WeighedLayer<T>>(x, graph->NewActivation(name, x->cols)));
}

template <typename T>
Activation<T>* RowSum(Graph<T>* graph, const std::string& name, Activation<T>* x) {
  CHECK(x->domain != nullptr);
  return graph->AddIn(nullptr, std::make_unique<RowSumLayer<T>>(x, graph->NewActivation(name, x->cols)));
}

template <typename T>
Activation<T>* RowMax(Graph<T>* graph, const std::string& name, Activation<T>* x) {
  CHECK(x->domain != nullptr);
  return graph->AddIn(nullptr, std::make_unique<RowMaxLayer<T>>(x, graph->NewActivation(name, x->cols)));
}

template <typename T>
Activation<T>* WeightedSum(Graph<T>* graph, const std::string& name, Activation<T>* a, Activation<T>* x) {
  CHECK(x->domain != nullptr && a->domain == x->domain);
  CHECK_EQ(a->cols, 1u);
  return graph->AddIn(nullptr, std::make_unique<WeightedSumLayer<T>>(a, x, graph->NewActivation(name, x->cols)));
}

#define SHERD_OF_TYPE(T)                                                                                            \
  template Activation<T>* Occurrences(Graph<T>*, const std::string&, const Domain*, Segment, SegmentGradient);      \
  template Activation<T>* SumOfOccurrences(Graph<T>*, const std::string&, const Domain*, Segment, SegmentGradient); \
  template Activation<T>* Spread(Graph<T>*, const std::string&, Activation<T>*, const Domain*);                     \
  template Activation<T>* Weighed(Graph<T>*, const std::string&, Activation<T>*);                                   \
  template Activation<T>* RowSum(Graph<T>*, const std::string&, Activation<T>*);                                    \
  template Activation<T>* RowMax(Graph<T>*, const std::string&, Activation<T>*);                                    \
  template Activation<T>* WeightedSum(Graph<T>*, const std::string&, Activation<T>*, Activation<T>*);
SHERD_OF_TYPE(float)
SHERD_OF_TYPE(double)
#undef SHERD_OF_TYPE

}  // namespace sherd::nn
