// Training in several processes, each with its part of the rows: mpirun -n 2 ./mpi. README.md beside
// it says how to build it.
#include <cstdio>
#include <models/mpi.hpp>
#include <tapesort.hpp>

using namespace tapesort;

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int processes = 1, own = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &processes);
  MPI_Comm_rank(MPI_COMM_WORLD, &own);

  // From one seed: alike in all processes.
  Generator random(1);
  Linear<float> line("line", 3, 1, Init::fan_in, random);
  Sgd<float> sgd(line.state().parameters, /*learning_rate=*/0.1);
  const Array<float> rows = random.normal<float>({60, 3}), goals = random.normal<float>({60, 1});

  const Index each = 60 / processes, first = own * each;
  const auto part = [&](const Var<float>& all) { return slice(all, 0, first, first + each); };
  for (int step = 0; step < 20; ++step) {
    Tape<float> tape;
    const Var<float> y = line.forward({tape}, part(tape.constant(rows)));
    tape.backward(mse(y, part(tape.constant(goals))));
    average_gradients(line.state().parameters);
    sgd.step();
    sgd.zero_grad();
  }
  if (own == 0) {
    for (const float w : line.state().parameters[0]->value) std::printf("%.5f\n", double(w));
  }
  MPI_Finalize();
}
