#include "apps/training/ranks.hpp"

#include <cstdlib>

#include "engine/check.hpp"
#if TAPESORT_MPI
#include "models/mpi.hpp"
#endif

namespace tapesort {
namespace {

std::size_t count = 1, rank = 0;

// What mpirun and srun tell the processes that they start: Open MPI's, and MPICH's.
constexpr const char* sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};

}  // namespace

std::size_t rank_count() { return count; }
std::size_t own_rank() { return rank; }

std::pair<std::size_t, std::size_t> own_part(std::size_t things, const char* what) {
  require(things % count == 0, what, ": ", things, " cannot be dealt out to ", count,
          " processes; need a multiple");
  const std::size_t each = things / count;
  return {rank * each, (rank + 1) * each};
}

#if TAPESORT_MPI

MpiSession::MpiSession() {
  const bool started = std::getenv(sizes[0]) || std::getenv(sizes[1]) || std::getenv("PMIX_RANK");
  if (!started) return;
  int level = 0, size = 0, own = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &own);
  count = std::size_t(size);
  rank = std::size_t(own);
}

void MpiSession::end(int status) {
  int begun = 0;
  MPI_Initialized(&begun);
  if (!begun) return;
  const bool stopped = status >= 128;  // by a signal, and all ranks together
  if (status != 0 && !stopped) MPI_Abort(MPI_COMM_WORLD, status);
  MPI_Finalize();
}

void check_ranks() {}

void add_over_ranks(const std::vector<Array<float>*>& arrays) { all_reduce(arrays); }
void add_over_ranks(Indices& array) { all_reduce<Index>({&array}); }

double largest_over_ranks(double value) {
  if (count > 1) MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return value;
}

#else

MpiSession::MpiSession() = default;
void MpiSession::end(int) {}

void check_ranks() {
  for (const char* name : sizes) {
    const char* size = std::getenv(name);
    if (!size || std::atoi(size) < 2) continue;
    fault("one of ", size, " processes (", name,
          "), of a program built without MPI; need one built with -Dmpi=true");
  }
}

void add_over_ranks(const std::vector<Array<float>*>&) {}
void add_over_ranks(Indices&) {}
double largest_over_ranks(double value) { return value; }

#endif

void average_over_ranks(const std::vector<Array<float>*>& arrays) {
  for (Array<float>* array : arrays) *array /= float(count);
  add_over_ranks(arrays);
}

}  // namespace tapesort
