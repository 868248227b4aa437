// The processes that train one network together, each on its part of every batch: those that mpirun
// started, when the program was built with -Dmpi=true. They begin alike, average their gradients, and
// so stay alike; rank 0 alone talks and writes.
#pragma once

#include <utility>
#include <vector>

#include "engine/array.hpp"

namespace tapesort {

// MPI, for as long as main() runs. Without mpirun it is not begun.
class MpiSession {
 public:
  MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  // The program's end. After an error the other ranks, which may wait for this one, are ended as well.
  void end(int status);
};

// How many processes there are, and which one this is. 1 and 0 without mpirun.
std::size_t rank_count();
std::size_t own_rank();
// std::runtime_error when mpirun has started several of a program that was built without MPI.
void check_ranks();

// [first, second): which of `count` things are for this process; every one gets as many.
// std::invalid_argument, which names them as `what`, when they cannot be dealt out evenly.
std::pair<std::size_t, std::size_t> own_part(std::size_t count, const char* what);

// All ranks call these, with arrays of the same shapes: each element becomes its sum, or its mean, and
// all get the same bits.
void add_over_ranks(const std::vector<Array<float>*>& arrays);
void add_over_ranks(Indices& array);
void average_over_ranks(const std::vector<Array<float>*>& arrays);
double largest_over_ranks(double value);

}  // namespace tapesort
