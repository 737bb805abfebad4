#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace sherd::bench {

// C [m, n] = op(A) op(B), op(A) [m, k], op(B) [k, n], all row-major.
struct MatrixProduct {
  bool a_transposed, b_transposed;
  std::size_t m, n, k;
  const float* a;
  std::size_t lda;
  const float* b;
  std::size_t ldb;
  float* c;
  std::size_t ldc;
};

// A library's sgemm, single-threaded; may be called from several threads.
struct Blas {
  std::string name;
  std::function<void(const MatrixProduct&)> multiply;
};

// Those that are here, each loaded on its own: oneDNN, OpenBLAS, and Eigen as compiled for AVX-512 where the processor
// has that.
std::vector<Blas> LoadBlas();

}  // namespace sherd::bench
