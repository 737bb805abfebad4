#include "models/nn/gemm.h"

#include <dnnl.h>
#include <dnnl_debug.h>
#include <glog/logging.h>
#include <omp.h>

#include <algorithm>
#include <string>

#include "base/simd.h"

// oneDNN exports it from version 1 on, with the arguments of dnnl_sgemm, but names it in none of its headers: so it may
// be missing.
extern "C" [[gnu::weak]] dnnl_status_t dnnl_gemm_bf16bf16f32(char a_transpose, char b_transpose, dnnl_dim_t m,
                                                             dnnl_dim_t n, dnnl_dim_t k, float alpha,
                                                             const std::uint16_t* a, dnnl_dim_t lda,
                                                             const std::uint16_t* b, dnnl_dim_t ldb, float beta,
                                                             float* c, dnnl_dim_t ldc);

namespace sherd::nn {
namespace {

// oneDNN takes its limit once, before its first kernel. Products of floats are the same with and without AVX512_BF16;
// AMX is left out, whose sums have another order.
bool LimitInstructions() {
  const std::string simd = CurrentSimd();
  const dnnl_cpu_isa_t isa = simd == "avx512" ? dnnl_cpu_isa_avx512_core_bf16
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

bool Limited() {
  static const bool limited = LimitInstructions();
  return limited;
}

// By oneDNN's `product` of its own kind of factors.
template <typename Factor, typename Product>
void Multiply(Product product, Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n,
              std::size_t k, const Factor* a, std::size_t lda, const Factor* b, std::size_t ldb, Accumulate accumulate,
              float* c, std::size_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (accumulate == Accumulate::kNo) Clear(m, n, c, ldc);
    return;
  }
  Limited();
  omp_set_num_threads(1);
  const auto letter = [](Transpose t) { return t == Transpose::kYes ? 'T' : 'N'; };
  const auto dim = [](std::size_t size) { return static_cast<dnnl_dim_t>(size); };
  const dnnl_status_t status =
      product(letter(a_transpose), letter(b_transpose), dim(m), dim(n), dim(k), 1.0f, a, dim(lda), b, dim(ldb),
              accumulate == Accumulate::kYes ? 1.0f : 0.0f, c, dim(ldc));
  CHECK_EQ(status, dnnl_success) << "oneDNN's product " << m << " x " << n << " x " << k;
}

}  // namespace

bool HasBf16Gemm() {
  return dnnl_gemm_bf16bf16f32 != nullptr && CurrentSimd() == "avx512" && __builtin_cpu_supports("avx512bf16") != 0;
}

bool Bf16GemmPays() { return HasBf16Gemm() && __builtin_cpu_is("intel") == 0; }

std::string GemmInstructions() {
  Limited();
  return dnnl_cpu_isa2str(dnnl_get_effective_cpu_isa());
}

void Gemm(Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n, std::size_t k, const float* a,
          std::size_t lda, const float* b, std::size_t ldb, Accumulate accumulate, float* c, std::size_t ldc) {
  Multiply(dnnl_sgemm, a_transpose, b_transpose, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

void Gemm(Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n, std::size_t k, const Bf16* a,
          std::size_t lda, const Bf16* b, std::size_t ldb, Accumulate accumulate, float* c, std::size_t ldc) {
  Multiply(dnnl_gemm_bf16bf16f32, a_transpose, b_transpose, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
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
