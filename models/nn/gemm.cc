#include "models/nn/gemm.h"

#include <dnnl.h>
#include <glog/logging.h>
#include <omp.h>

#include <algorithm>
#include <string_view>

#include "base/simd.h"

namespace sherd::nn {
namespace {

// oneDNN takes its limit once, before its first kernel.
bool LimitInstructions() {
  const std::string_view simd = CurrentSimd();
  const dnnl_cpu_isa_t isa = simd == "avx512" ? dnnl_cpu_isa_avx512_core
                             : simd == "avx2" ? dnnl_cpu_isa_avx2
                                              : dnnl_cpu_isa_sse41;
  const dnnl_status_t status = dnnl_set_max_cpu_isa(isa);
  LOG_IF(WARNING, status != dnnl_success) << "oneDNN does not take the limit " << simd << ": status " << status;
  return status == dnnl_success;
}

template <typename T>
void Clear(std::size_t m, std::size_t n, T* c, std::size_t ldc) {
  for (std::size_t r = 0; r < m; ++r) std::fill_n(c + r * ldc, n, T{0});
}

}  // namespace

void Gemm(Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n, std::size_t k, const float* a,
          std::size_t lda, const float* b, std::size_t ldb, Accumulate accumulate, float* c, std::size_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (accumulate == Accumulate::kNo) Clear(m, n, c, ldc);
    return;
  }
  [[maybe_unused]] static const bool limited = LimitInstructions();
  omp_set_num_threads(1);
  const auto letter = [](Transpose t) { return t == Transpose::kYes ? 'T' : 'N'; };
  const float beta = accumulate == Accumulate::kYes ? 1.0f : 0.0f;
  const dnnl_status_t status =
      dnnl_sgemm(letter(a_transpose), letter(b_transpose), static_cast<dnnl_dim_t>(m), static_cast<dnnl_dim_t>(n),
                 static_cast<dnnl_dim_t>(k), 1.0f, a, static_cast<dnnl_dim_t>(lda), b, static_cast<dnnl_dim_t>(ldb),
                 beta, c, static_cast<dnnl_dim_t>(ldc));
  CHECK_EQ(status, dnnl_success) << "dnnl_sgemm " << m << " x " << n << " x " << k;
}

void Gemm(Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n, std::size_t k, const double* a,
          std::size_t lda, const double* b, std::size_t ldb, Accumulate accumulate, double* c, std::size_t ldc) {
  if (accumulate == Accumulate::kNo) Clear(m, n, c, ldc);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t l = 0; l < k; ++l) {
      const double x = a_transpose == Transpose::kYes ? a[l * lda + i] : a[i * lda + l];
      for (std::size_t j = 0; j < n; ++j)
        c[i * ldc + j] += x * (b_transpose == Transpose::kYes ? b[j * ldb + l] : b[l * ldb + j]);
    }
  }
}

}  // namespace sherd::nn
