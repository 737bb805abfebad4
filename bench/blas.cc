#include "bench/blas.h"

#include <dlfcn.h>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace sherd::bench {
namespace {

template <typename F>
F* Find(void* library, const char* name) {
  return library == nullptr ? nullptr : reinterpret_cast<F*>(::dlsym(library, name));
}

// Its threads are OpenMP's.
std::optional<Blas> OneDnn() {
  void* library = ::dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
  using Sgemm = int(char, char, std::int64_t, std::int64_t, std::int64_t, float, const float*, std::int64_t,
                    const float*, std::int64_t, float, float*, std::int64_t);
  auto* sgemm = Find<Sgemm>(library, "dnnl_sgemm");
  auto* threads = Find<void(int)>(::dlopen("libgomp.so.1", RTLD_NOW | RTLD_LOCAL), "omp_set_num_threads");
  if (sgemm == nullptr || threads == nullptr) return std::nullopt;
  return Blas{"oneDNN", [sgemm, threads](const MatrixProduct& p) {
                const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
                threads(1);  // of the calling thread
                sgemm(p.a_transposed ? 'T' : 'N', p.b_transposed ? 'T' : 'N', size(p.m), size(p.n), size(p.k), 1, p.a,
                      size(p.lda), p.b, size(p.ldb), 0, p.c, size(p.ldc));
              }};
}

std::optional<Blas> OpenBlas() {
  void* library = ::dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  using Sgemm = void(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
  auto* sgemm = Find<Sgemm>(library, "cblas_sgemm");
  auto* threads = Find<void(int)>(library, "openblas_set_num_threads");
  if (sgemm == nullptr || threads == nullptr) return std::nullopt;
  threads(1);
  return Blas{"OpenBLAS", [sgemm](const MatrixProduct& p) {
                constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;
                const auto size = [](std::size_t n) { return static_cast<int>(n); };
                sgemm(kRowMajor, p.a_transposed ? kTransposed : kPlain, p.b_transposed ? kTransposed : kPlain,
                      size(p.m), size(p.n), size(p.k), 1, p.a, size(p.lda), p.b, size(p.ldb), 0, p.c, size(p.ldc));
              }};
}

// A library beside this program: its code is for one kind of processor.
std::optional<Blas> Eigen() {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl")) return std::nullopt;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  void* library = ::dlopen((self.parent_path() / "sherd-bench-eigen.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  auto* multiply = Find<void(const MatrixProduct&)>(library, "EigenMultiply");
  if (multiply == nullptr) return std::nullopt;
  return Blas{"Eigen", multiply};
}

}  // namespace

std::vector<Blas> LoadBlas() {
  std::vector<Blas> found;
  for (std::optional<Blas>& blas : std::vector{OneDnn(), OpenBlas(), Eigen()}) {
    if (blas) found.push_back(std::move(*blas));
  }
  return found;
}

}  // namespace sherd::bench
