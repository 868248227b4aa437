// For .ci/mpi: fits a line in as many processes as mpirun starts, and prints its weights. What it is
// told to do goes wrong in the last one of them.
//
//   ranks_program FOLDER [nothing|exit|interrupt|nan|drift]
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <limits>
#include <string>

#include "apps/training/ranks.hpp"
#include "apps/training/trainer.hpp"
#include "engine/parameter.hpp"
#include "models/checkpoint.hpp"
#include "ops/losses.hpp"
#include "ops/shape.hpp"

using namespace tapesort;

namespace {

constexpr std::size_t steps = 12, batch = 8;

class LineTask : public Task {
 public:
  explicit LineTask(std::string fault) : fault_(std::move(fault)) {
    Generator random(5);
    net_.add<BatchNorm2d<float>>("norm", 3);
    net_.add<Flatten<float>>();
    net_.add<Linear<float>>("fc", 3, 1, Init::fan_in, random);
  }
  std::string name() const override { return "line"; }
  std::size_t steps_per_epoch() const override { return steps / 2; }
  std::size_t images_per_step() const override { return batch; }

  // Its part of rows that depend on the step alone.
  Var<float> loss(Tape<float>& tape, std::size_t step, Generator&) override {
    if (step == 8 && own_rank() + 1 == rank_count()) go_wrong();
    Generator random = Generator(7).split(step);
    const auto [first, last] = own_part(batch, "batch");
    const Array<float> all = random.normal<float>({batch, 1, 1, 3});
    const Var<float> x = slice(tape.constant(all), 0, Index(first), Index(last));
    return mse(net_.forward({tape, true}, x), tape.constant(full<float>({last - first, 1}, 0.5f)));
  }
  double validate() override {
    double total = 0;
    for (const Parameter<float>* p : state().parameters) {
      for (const float v : p->value) total -= double(v) * double(v);
    }
    return total;
  }
  State<float> state() override { return net_.state(); }

 private:
  void go_wrong() {
    Parameter<float>& weights = *state().parameters[0];
    if (fault_ == "exit") _exit(3);
    if (fault_ == "interrupt") std::raise(SIGTERM);
    if (fault_ == "nan") weights.value(0) = std::numeric_limits<float>::quiet_NaN();
    if (fault_ == "drift") weights.value(0) += 1;
    weights.changed();
  }

  std::string fault_;
  Sequential<float> net_;
};

int run(const std::string& folder, const std::string& fault) {
  LineTask task(fault);
  Sgd<float> optimizer(task.state().parameters, 0.1, 0.9);
  TrainerOptions options;
  options.epochs = 2;
  options.learning_rate = 0.1;
  options.checkpoint = folder + "/checkpoint.safetensors";
  options.checkpoint_seconds = 0;
  options.resume = true;
  const TrainingResult result = train(task, optimizer, options);
  if (result.interrupted) return 128 + result.interrupted;
  if (own_rank() > 0) return 0;
  std::printf("processes %zu, steps %zu, weights", rank_count(), result.steps);
  for (const Parameter<float>* p : task.state().parameters) {
    for (const float v : p->value) std::printf(" %.7f", double(v));
  }
  std::printf("\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  MpiSession mpi;
  int status = 1;
  try {
    status = run(argv[1], argc > 2 ? argv[2] : "nothing");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "process %zu: %s\n", own_rank(), error.what());
  }
  mpi.end(status);
  return status;
}
