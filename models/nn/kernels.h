#pragma once

#include <cstddef>
#include <cstdint>

#include "models/batch.h"

namespace sherd::nn {

enum class Nonlinearity { kIdentity, kRelu, kTanh, kSigmoid };

// What of a table's row an embedding layer reads: floats [first, first + dim) of the rows of `fields` fields.
struct Segment {
  std::uint32_t table = 0;
  std::uint32_t fields = 0;
  std::uint32_t first = 0;
  std::uint32_t dim = 0;
};

// A matrix of which row r begins at data + r * stride.
template <typename T>
struct Matrix {
  T* data = nullptr;
  std::size_t stride = 0;
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
};

// The loops over a minibatch that are hot, for one SIMD target. Each sum runs in one fixed order (over rows, fields or
// lanes, ascending), so that a target gives the same bits every time; exp and tanh are fixed polynomials of Highway,
// not libm.
template <typename T>
struct Kernels {
  // The best of the process's SIMD target.
  static const Kernels& Best();

  // y = f(y + bias), bias [cols] or null for none.
  void (*bias_activation)(Matrix<T> y, const T* bias, Nonlinearity f);
  // dy = dy * f'(), told by f's result y; bias_gradient[c] = sum over rows of the new dy, or null.
  void (*activation_gradient)(const T* y, Matrix<T> dy, T* bias_gradient, Nonlinearity f);

  // out [rows, fields * dim]: the weighted sum of each (row, field)'s occurrences, zero where there are none.
  void (*pool)(const TableBatch<T>& batch, Segment segment, Matrix<T> out);
  // gradients[row][first, first + dim) = the sum of what reached each unique row.
  void (*pool_gradient)(const TableBatch<T>& batch, Segment segment, Matrix<T> dout);
  // The same for a segment of dim 1, summed over the fields: out [rows, 1].
  void (*pool_fields)(const TableBatch<T>& batch, Segment segment, Matrix<T> out);
  void (*pool_fields_gradient)(const TableBatch<T>& batch, Segment segment, Matrix<T> dout);

  // Rendle 2010, equation 5: out[r] = sum over d of ((sum_f x[f,d])^2 - sum_f x[f,d]^2) / 2; x [rows, fields * dim].
  // sums [rows, dim] keeps sum_f x[f,d] for the gradient.
  void (*interaction)(Matrix<T> x, Matrix<T> sums, Matrix<T> out);
  // dx = dout * (sums - x), added to dx where `add`.
  void (*interaction_gradient)(Matrix<T> x, Matrix<T> sums, Matrix<T> dout, Matrix<T> dx, bool add);

  // mean, variance [cols]: over the rows, the variance biased (divided by rows). rows > 0.
  void (*moments)(Matrix<T> x, T* mean, T* variance);
  // y = (x - mean) * inverse_deviation * scale + shift.
  void (*normalize)(Matrix<T> x, const T* mean, const T* inverse_deviation, const T* scale, const T* shift,
                    Matrix<T> y);
  // Through the batch's own mean and variance (Ioffe and Szegedy 2015, section 3).
  void (*normalize_gradient)(Matrix<T> x, const T* mean, const T* inverse_deviation, const T* scale, Matrix<T> dy,
                             T* dscale, T* dshift, Matrix<T> dx, bool add);

  // mask[r][c] = 0 with probability `drop`/65536, else 1 / (1 - drop/65536): a function of (row_hash[r], c) alone.
  void (*dropout_mask)(const std::uint64_t* row_hash, std::uint32_t drop, Matrix<T> mask);

  // Each row becomes its softmax, and log_sums[row] the logarithm of the sum of its exponentials. cols > 0, all finite.
  void (*softmax)(Matrix<T> x, T* log_sums);

  // The sum over n rows of weight * (log(1 + e^z) - label * z), and its gradient by z; weights null: all 1.
  double (*log_loss)(std::uint32_t n, const T* z, const float* labels, const float* weights, T* dz);
};

}  // namespace sherd::nn
