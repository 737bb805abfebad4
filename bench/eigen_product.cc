#include <Eigen/Core>

#include "bench/blas.h"

using sherd::bench::MatrixProduct;

namespace {

using Stride = Eigen::OuterStride<>;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const Rows, 0, Stride> View(const float* data, bool transposed, std::size_t rows, std::size_t cols,
                                       std::size_t stride) {
  const auto r = static_cast<Eigen::Index>(transposed ? cols : rows);
  const auto c = static_cast<Eigen::Index>(transposed ? rows : cols);
  return {data, r, c, Stride(static_cast<Eigen::Index>(stride))};
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void EigenMultiply(const MatrixProduct& p) {
  const auto a = View(p.a, p.a_transposed, p.m, p.k, p.lda), b = View(p.b, p.b_transposed, p.k, p.n, p.ldb);
  Eigen::Map<Rows, 0, Stride> c(p.c, static_cast<Eigen::Index>(p.m), static_cast<Eigen::Index>(p.n),
                                Stride(static_cast<Eigen::Index>(p.ldc)));
  if (p.a_transposed) {
    c.noalias() = a.transpose() * b;
  } else if (p.b_transposed) {
    c.noalias() = a * b.transpose();
  } else {
    c.noalias() = a * b;
  }
}
