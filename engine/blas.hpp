// Matrix products by OpenBLAS, called through xtensor-blas, and the care that OpenBLAS needs.
//
// OpenBLAS has one kernel for each family of CPUs and picks it by CPU model; on a model newer than
// itself it falls back to an SSE3 kernel, several times slower. Before the first product this file
// compares the kernel in use with what the CPU can do, changes it inside the running library when
// a better one exists, and checks one small product against a plain loop. A choice that the user
// made with OPENBLAS_CORETYPE stands.
#pragma once

#include <cstddef>
#include <string>

namespace tapesort {

// c = alpha * op(a) op(b) + beta * c, all row-major: op(a) is (m, k), op(b) is (k, n), c is (m, n).
// lda, ldb and ldc are the distances between rows as stored. c must not overlap a or b; with
// beta = 0, c need not be initialised. Large products are split over the pool's threads. BLAS
// counts in `int`: std::invalid_argument when an extent or a distance is larger. Products of Duals,
// which BLAS does not know, are plain loops.
template <class T>
void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, T alpha,
          const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c, std::size_t ldc);

// Before the first product: OpenBLAS keeps its kernel and its number of threads, as a program that
// uses it elsewhere may want. (Otherwise the choice below sets OPENBLAS_CORETYPE for a moment, and
// OpenBLAS to one thread, for the whole process.) std::logic_error after it has been made.
void leave_blas_alone();

struct BlasReport {
  std::string library;         // OpenBLAS's own description
  std::string cpu;             // vector instructions that count here, as "avx avx2 fma"
  std::string kernel_at_load;  // what OpenBLAS picked
  std::string kernel;          // what is in use
  std::string chosen_by;       // "OpenBLAS", "tapesort" or "user (OPENBLAS_CORETYPE)"
  double check_error;          // largest error of the checked product, in units of k epsilon
};

// The state after the choice, which is made at the first call (or at the first product).
// std::runtime_error when the kernel in use multiplies the checked product wrongly.
const BlasReport& blas_report();

// The steps of that choice, for tests. The name is one of OpenBLAS's, as "Haswell"; false when the
// library does not allow a change, or does not know the name. Not while a product is running.
std::string blas_kernel();
bool switch_blas_kernel(const std::string& name);
// The kernel that suits this CPU better than `current`, or `current`.
std::string better_blas_kernel(const std::string& current);

}  // namespace tapesort
