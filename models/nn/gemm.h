#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "models/nn/bf16.h"

namespace sherd::nn {

enum class Transpose { kNo, kYes };
enum class Accumulate { kNo, kYes };

// C = op(A) op(B), or C += it: C [m, n], op(A) [m, k], op(B) [k, n], all row-major, row r of A at A + r * lda. m, n or
// k may be 0. float: oneDNN's sgemm with the instructions of CurrentSimd(), single-threaded (it sets the calling
// thread's number of OpenMP threads to 1), so that the order of each sum is fixed. double: plain loops, for gradient
// checks.
void Gemm(Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n, std::size_t k, const float* a,
          std::size_t lda, const float* b, std::size_t ldb, Accumulate accumulate, float* c, std::size_t ldc);
void Gemm(Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n, std::size_t k, const double* a,
          std::size_t lda, const double* b, std::size_t ldb, Accumulate accumulate, double* c, std::size_t ldc);

// Of bfloat16 factors, with products and sums in fp32 (in fp32 the pairs of products that one instruction sums, too).
// For where HasBf16Gemm() alone.
void Gemm(Transpose a_transpose, Transpose b_transpose, std::size_t m, std::size_t n, std::size_t k, const Bf16* a,
          std::size_t lda, const Bf16* b, std::size_t ldb, Accumulate accumulate, float* c, std::size_t ldc);

// The processor multiplies bfloat16 (AVX512_BF16), CurrentSimd() admits that, and oneDNN has the product.
bool HasBf16Gemm();
// Are its products the faster ones? An Intel's core does as many multiplications of floats a cycle as of bfloat16
// (measured: 287 and 287 GFLOP/s), an AMD's twice as many of the latter.
bool Bf16GemmPays();

// The best instructions that oneDNN uses in this process, by its name for them; the limit is set from here on.
std::string GemmInstructions();

}  // namespace sherd::nn
