#include "engine/blas.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <vector>
#include <xtensor-blas/xblas.hpp>

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"

// Weak: another CBLAS may stand in for OpenBLAS, which then has nothing to choose. The two
// gotoblas functions are what OpenBLAS itself calls when it is loaded and unloaded.
extern "C" {
__attribute__((weak)) char* openblas_get_corename();
__attribute__((weak)) char* openblas_get_config();
__attribute__((weak)) void openblas_set_num_threads(int);
__attribute__((weak)) void gotoblas_dynamic_init();
__attribute__((weak)) void gotoblas_dynamic_quit();
}

namespace tapesort {
namespace {

constexpr const char* kernel_variable = "OPENBLAS_CORETYPE";

// Register width classes of kernels and CPUs, worst to best.
enum Level { sse, avx, avx2, avx512 };

Level cpu_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
  if (__builtin_cpu_supports("avx")) return avx;
#endif
  return sse;
}

Level kernel_level(const std::string& name) {
  static const std::map<std::string, Level> levels{
      {"SkylakeX", avx512}, {"Cooperlake", avx512}, {"SapphireRapids", avx512}, {"Haswell", avx2},
      {"Zen", avx2},        {"Excavator", avx2},    {"Sandybridge", avx},       {"Bulldozer", avx},
      {"Piledriver", avx},  {"Steamroller", avx}};
  const auto found = levels.find(name);
  return found == levels.end() ? sse : found->second;
}

std::string cpu_features() {
  std::string text;
#if defined(__x86_64__)
  __builtin_cpu_init();
#define FEATURE(name) std::pair(name, __builtin_cpu_supports(name) != 0)
  for (const auto& [name, there] :
       {FEATURE("sse4.2"), FEATURE("avx"), FEATURE("avx2"), FEATURE("fma"), FEATURE("avx512f"),
        FEATURE("avx512dq"), FEATURE("avx512bw"), FEATURE("avx512vl")}) {
    if (there) text += (text.empty() ? "" : " ") + std::string(name);
  }
#undef FEATURE
#endif
  return text.empty() ? "unknown" : text;
}

template <class T>
void one_thread_gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n,
                     std::size_t k, T alpha, const T* a, std::size_t lda, const T* b,
                     std::size_t ldb, T beta, T* c, std::size_t ldc) {
  const auto side = [](bool transposed) { return transposed ? cxxblas::Trans : cxxblas::NoTrans; };
  using Int = xt::blas_index_t;
  cxxblas::gemm<Int>(cxxblas::RowMajor, side(transpose_a), side(transpose_b), Int(m), Int(n),
                     Int(k), alpha, a, Int(lda), b, Int(ldb), beta, c, Int(ldc));
}

// The largest error of C = A B at odd sizes (edge tiles included), in units of k * epsilon.
template <class T> double product_error() {
  constexpr std::size_t m = 67, n = 45, k = 83;
  std::vector<T> a(m * k), b(k * n), c(m * n);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = T(i * 37 % 101) / 101 - T(0.5);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = T(i * 53 % 103) / 103 - T(0.5);
  one_thread_gemm<T>(false, false, m, n, k, 1, a.data(), k, b.data(), n, 0, c.data(), n);
  double worst = 0;
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double exact = 0;
      for (std::size_t l = 0; l < k; ++l) exact += double(a[i * k + l]) * double(b[l * n + j]);
      const double error = std::abs(double(c[i * n + j]) - exact);
      if (!(error <= worst)) worst = error;  // a NaN stays
    }
  }
  return worst / (k * double(std::numeric_limits<T>::epsilon()));
}

double check_error() { return std::fmax(product_error<float>(), product_error<double>()); }

bool left_alone = false, chosen = false;

BlasReport choose_kernel() {
  BlasReport report;
  chosen = true;
  report.cpu = cpu_features();
  report.library = openblas_get_config ? openblas_get_config() : "a CBLAS that is not OpenBLAS";
  // The pool splits products itself.
  if (openblas_set_num_threads && !left_alone) openblas_set_num_threads(1);
  report.kernel_at_load = blas_kernel();
  report.chosen_by = "OpenBLAS";
  if (std::getenv(kernel_variable) != nullptr) {
    report.chosen_by = std::string("user (") + kernel_variable + ")";
  } else if (!left_alone) {
    const std::string better = better_blas_kernel(report.kernel_at_load);
    if (better != report.kernel_at_load && switch_blas_kernel(better))
      report.chosen_by = "tapesort";
  }
  report.check_error = check_error();
  if (!(report.check_error <= 1) && report.chosen_by == "tapesort") {  // take it back
    switch_blas_kernel(report.kernel_at_load);
    report.chosen_by = "OpenBLAS";
    report.check_error = check_error();
  }
  report.kernel = blas_kernel();
  if (report.check_error <= 1) return report;
  fault("gemm: the ", report.kernel,
        " kernel of OpenBLAS multiplies matrices wrongly on this CPU; set OPENBLAS_CORETYPE to "
        "another one, as Haswell or Prescott");
}

}  // namespace

std::string blas_kernel() { return openblas_get_corename ? openblas_get_corename() : "none"; }

std::string better_blas_kernel(const std::string& current) {
  const Level cpu = cpu_level();
  if (kernel_level(current) >= cpu) return current;
  return cpu == avx512 ? "SkylakeX" : cpu == avx2 ? "Haswell" : "Sandybridge";
}

bool switch_blas_kernel(const std::string& name) {
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit || !openblas_get_corename) return false;
  const char* set = std::getenv(kernel_variable);
  const std::string before = set ? set : "";
  // Done with the variable that OpenBLAS reads; the environment is left as it was found.
  setenv(kernel_variable, name.c_str(), 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  set ? setenv(kernel_variable, before.c_str(), 1) : unsetenv(kernel_variable);
  return blas_kernel() == name;
}

void leave_blas_alone() {
  if (chosen)
    misuse("leave_blas_alone: the choice has been made; call it before the first product");
  left_alone = true;
}

const BlasReport& blas_report() {
  static const BlasReport report = choose_kernel();
  return report;
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, T alpha,
          const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c, std::size_t ldc) {
  if (m == 0 || n == 0) return;
  constexpr std::size_t most = std::numeric_limits<xt::blas_index_t>::max();
  require(std::max({m, n, k, lda, ldb, ldc}) <= most, "gemm: a product of (", m, ", ", k, ") by (",
          k, ", ", n, "), rows stored ", lda, ", ", ldb, " and ", ldc,
          " apart, is too large for BLAS; need at most ", most, " each");
  if (k == 0) {  // an empty sum; BLAS wants leading dimensions of at least 1
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j)
        c[i * ldc + j] = beta == T(0) ? T(0) : beta * c[i * ldc + j];
    }
    return;
  }
  blas_report();
  // A thread should have at least 2 Mflop to do, in whole rows or whole columns of c.
  const bool rows = m >= n;
  const std::size_t cost = std::max<std::size_t>(1, (rows ? n : m) * k * 2);
  const std::size_t grain = std::max<std::size_t>(8, 2000000 / cost);
  parallel_for(rows ? m : n, grain, [&](std::size_t begin, std::size_t end, std::size_t) {
    const std::size_t i = rows ? begin : 0, j = rows ? 0 : begin, size = end - begin;
    one_thread_gemm(transpose_a, transpose_b, rows ? size : m, rows ? n : size, k, alpha,
                    a + (transpose_a ? i : i * lda), lda, b + (transpose_b ? j * ldb : j), ldb,
                    beta, c + i * ldc + j, ldc);
  });
}

INSTANTIATE(gemm)

template <>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k,
          Dual<double> alpha, const Dual<double>* a, std::size_t lda, const Dual<double>* b,
          std::size_t ldb, Dual<double> beta, Dual<double>* c, std::size_t ldc) {
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      Dual<double> sum;
      for (std::size_t l = 0; l < k; ++l) {
        sum += (transpose_a ? a[l * lda + i] : a[i * lda + l]) *
               (transpose_b ? b[j * ldb + l] : b[l * ldb + j]);
      }
      Dual<double>& to = c[i * ldc + j];
      to = beta == 0 ? alpha * sum : alpha * sum + beta * to;
    }
  }
}

}  // namespace tapesort
