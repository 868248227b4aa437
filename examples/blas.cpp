// A program that uses OpenBLAS itself, and wants tapesort to leave it as it is.
#include <cblas.h>

#include <cstdio>
#include <tapesort.hpp>

int main() {
  openblas_set_num_threads(2);
  const std::string kernel = tapesort::blas_kernel();
  tapesort::leave_blas_alone();

  tapesort::Generator random(1);
  tapesort::Tape<double> tape;
  const auto a = tape.leaf(random.normal<double>({50, 40}));
  tape.backward(tapesort::sum(tapesort::matmul(a, tapesort::transpose(a))));

  std::printf("threads %d, kernel %s\n", openblas_get_num_threads(), kernel.c_str());
  return openblas_get_num_threads() == 2 && tapesort::blas_kernel() == kernel ? 0 : 1;
}
