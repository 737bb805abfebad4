#pragma once

#include "models/nn/kernels.h"

namespace sherd::nn {

// The loops of the layers that combine fields with one another, for one SIMD target; each sum has one fixed order, as
// in Kernels.
template <typename T>
struct FieldKernels {
  // The best of the process's SIMD target.
  static const FieldKernels& Best();

  // y[r][d] = ((sum_f x[f,d])^2 - sum_f x[f,d]^2) / 2: x [rows, fields * dim], y [rows, dim]. sums [rows, dim] keeps
  // sum_f x[f,d] for the gradient.
  void (*pool_pairs)(Matrix<T> x, Matrix<T> sums, Matrix<T> y);
  // dx[f,d] = dy[d] * (sums[d] - x[f,d]), added to dx where `add`.
  void (*pool_pairs_gradient)(Matrix<T> x, Matrix<T> sums, Matrix<T> dy, Matrix<T> dx, bool add);

  // y[r] = sum over f < g of x[f,g] . x[g,f]: x [rows, fields * fields * dim], y [rows, 1].
  void (*field_aware)(Matrix<T> x, std::size_t fields, Matrix<T> y);
  // dx[f,g] = dy * x[g,f], and zero for f = g; added to dx where `add`.
  void (*field_aware_gradient)(Matrix<T> x, std::size_t fields, Matrix<T> dy, Matrix<T> dx, bool add);
};

}  // namespace sherd::nn
