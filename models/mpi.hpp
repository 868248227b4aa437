// Training by several processes, each on its part of every batch. For programs that are compiled
// with MPI (mpicxx); the library itself is tied to no MPI.
#pragma once

// Not MPI's own C++, which the standard has dropped.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "engine/parameter.hpp"

namespace tapesort {

namespace detail {
inline MPI_Datatype mpi_type(float) { return MPI_FLOAT; }
inline MPI_Datatype mpi_type(double) { return MPI_DOUBLE; }
inline MPI_Datatype mpi_type(Index) { return MPI_INT64_T; }
}  // namespace detail

// Each element becomes its sum over the processes of `group`, which all call this with arrays of the
// same shapes in the same order. One message holds all arrays: many short ones would each wait for
// the network. Errors are MPI's own, which by default end all processes; std::length_error beyond
// 2^31 - 1 elements, as MPI counts them by int.
template <class T>
void all_reduce(const std::vector<Array<T>*>& arrays, MPI_Comm group = MPI_COMM_WORLD) {
  std::vector<T> all;
  for (const Array<T>* array : arrays) all.insert(all.end(), array->begin(), array->end());
  if (all.size() > std::size_t(std::numeric_limits<int>::max())) {
    throw std::length_error("all_reduce: more than 2^31 - 1 elements");
  }
  MPI_Allreduce(MPI_IN_PLACE, all.data(), int(all.size()), detail::mpi_type(T()), MPI_SUM, group);
  const T* sum = all.data();
  for (Array<T>* array : arrays) {
    std::copy_n(sum, array->size(), array->data());
    sum += array->size();
  }
}

// After backward(): where each process's loss is the mean over its own, equal part of a batch, the
// gradients become those of the mean over the whole batch. Then every process takes the same step
// and, as all began alike (by the same seed), has the same parameters.
template <class T>
void average_gradients(const std::vector<Parameter<T>*>& parameters,
                       MPI_Comm group = MPI_COMM_WORLD) {
  std::vector<Array<T>*> gradients;
  int count = 1;
  MPI_Comm_size(group, &count);
  for (Parameter<T>* parameter : parameters) {
    gradients.push_back(&parameter->grad);
    parameter->grad /= T(count);
  }
  all_reduce(gradients, group);
}

}  // namespace tapesort
