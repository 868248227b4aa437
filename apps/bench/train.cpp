// `tapesort bench train`: the time of one whole training step -- tape, forward, backward, optimizer
// -- of a few networks. apps/bench/train_torch.py does the same work with PyTorch, for comparison.
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/bench/measure.hpp"
#include "apps/program/program.hpp"
#include "apps/report/result_row.hpp"
#include "apps/training/ranks.hpp"
#include "engine/blas.hpp"
#include "models/checkpoint.hpp"
#include "models/files/strict_json.hpp"
#include "models/networks.hpp"
#include "models/optimizers.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/reduce.hpp"

namespace tapesort {
namespace {

constexpr std::uint64_t seed = 2019;

// Numbers in [0, 1) that any language can make: element i is frac(i * golden ratio).
Array<float> same_everywhere(const Shape& shape) {
  Array<float> x = uninitialized<float>(shape);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = double(i) * 0.6180339887498949;
    x.data()[i] = float(v - std::floor(v));
  }
  return x;
}

// A step of training, which returns the loss, and what is trained.
struct Training {
  std::function<float()> step;
  State<float> state;
};

enum class Loss { mean_square, cross_entropy };
enum class Rule { sgd, sgd_momentum, adam };

Training training_of(std::shared_ptr<Layer<float>> network, const Shape& input, Loss loss,
                     Rule rule) {
  const State<float> state = network->state();
  std::shared_ptr<Optimizer<float>> optimizer;
  if (rule == Rule::adam) {
    optimizer = std::make_shared<Adam<float>>(state.parameters, 1e-4);
  } else if (rule == Rule::sgd) {
    optimizer = std::make_shared<Sgd<float>>(state.parameters, 1e-3);
  } else {
    optimizer = std::make_shared<Sgd<float>>(state.parameters, 1e-3, 0.9, 5e-4);
  }
  Indices labels = uninitialized<Index>({input[0]});
  for (std::size_t i = 0; i < labels.size(); ++i) labels.data()[i] = Index(i % 10);
  return {[=, x = same_everywhere(input)] {
            Tape<float> tape;
            const Var<float> y = network->forward({tape, /*training=*/true}, tape.constant(x));
            const Var<float> l =
                loss == Loss::mean_square ? mean(square(y)) : cross_entropy(y, labels);
            tape.backward(l);
            optimizer->step();
            optimizer->zero_grad();
            return l.item();
          },
          state};
}

Training of_images(const std::string& network, std::size_t images, const ImageShape& image,
                   std::size_t outputs, Loss loss, Rule rule) {
  Generator random(seed);
  return training_of(make_network(network, image, outputs, random),
                     Shape{images, image.height, image.width, image.channels}, loss, rule);
}

Training sorting(std::size_t images) {
  return of_images("paper_sort", images, {112, 28, 1}, 1, Loss::mean_square, Rule::adam);
}

Training mlp(std::size_t batch) {
  Generator random(seed);
  auto net = std::make_unique<Sequential<float>>();
  net->add<Linear<float>>("fc1", 784, 256, Init::fan_in, random).add<Relu<float>>();
  net->add<Linear<float>>("fc2", 256, 128, Init::fan_in, random).add<Relu<float>>();
  net->add<Linear<float>>("fc3", 128, 10, Init::fan_in, random);
  return training_of(std::move(net), Shape{batch, 784}, Loss::cross_entropy, Rule::sgd);
}

struct Row {
  const char *name, *what;
  int steps;  // by default
  Training (*make)();
};

const Row rows[] = {
    {"sort-100", "the paper's sorting network, 100 images 112 x 28, Adam", 10,
     [] { return sorting(100); }},
    {"sort-500", "the same, 500 images", 5, [] { return sorting(500); }},
    {"knn-100", "the paper's MNIST kNN network, 100 images 28 x 28, SGD with momentum", 40,
     [] {
       return of_images("paper_mnist", 100, {28, 28, 1}, 0, Loss::mean_square, Rule::sgd_momentum);
     }},
    {"resnet-100", "small ResNet (14 layers, 16/32/64), 100 images 28 x 28, SGD with momentum", 10,
     [] {
       return of_images("small_resnet", 100, {28, 28, 1}, 10, Loss::cross_entropy,
                        Rule::sgd_momentum);
     }},
    {"medium-100",
     "five convolutions (32 to 256 channels), 100 images 32 x 32 x 3, SGD with momentum", 5,
     [] {
       return of_images("medium", 100, {32, 32, 3}, 10, Loss::cross_entropy, Rule::sgd_momentum);
     }},
    {"mlp-32", "MLP 784-256-128-10, batch 32, SGD", 500, [] { return mlp(32); }},
    {"mlp-1", "MLP 784-256-128-10, batch 1, SGD", 500, [] { return mlp(1); }},
    {"scalar-1000", "1,000 scalar operations, forward and backward", 500,
     [] {
       return Training{scalar_step, {}};
     }},
};

struct TrainBench {
  std::string row, save_initial;
  int steps = 0;
  bool json = false;
};

double peak_megabytes() { return status_bytes("VmHWM:") / (1024 * 1024); }

// How long all processes of mpirun take to average what has as many numbers.
double seconds_of_average(const std::vector<Array<float>*>& arrays) {
  const auto turn = [&](int) {
    largest_over_ranks(0);  // none begins before all are here
    return seconds_of([&] { average_over_ranks(arrays); });
  };
  return largest_over_ranks(take_turns({turn}, 0, 31, 3).front().median());
}

// What a step with so many seconds of its own loses to averaging its gradients: measured here, and
// for more processes by the time of a ring, 2 (N - 1) messages one after the other, each of an N-th of
// the numbers. One number measures a message; what is left of the time of all is their way.
void print_averaging(const State<float>& state, double own) {
  Array<float> one = zeros<float>({1});
  std::vector<Array<float>*> gradients;
  double bytes = 0;
  for (Parameter<float>* p : state.parameters) {
    gradients.push_back(&p->grad);
    bytes += double(p->grad.size() * sizeof(float));
  }
  const double n = double(rank_count()), message = seconds_of_average({&one}) / (2 * (n - 1));
  const double all = seconds_of_average(gradients);
  const double way = std::max(0.0, all - 2 * (n - 1) * message) * n / (n - 1);
  if (own_rank() > 0) return;
  std::printf("  %.2f MB of gradients, averaged over %zu processes in %.3f ms;", bytes / 1e6,
              rank_count(), all * 1e3);
  for (const double more : {n, 8.0, 64.0}) {
    const double ring = 2 * (more - 1) * message + way * (more - 1) / more;
    std::printf(" of %.0f: %.1f %%", more, 100 * own / (own + ring));
  }
  std::printf(" of the time is the step's own\n");
}

void bench_row(const Row& row, const TrainBench& options) {
  const double before = peak_megabytes();
  const Training training = row.make();
  if (!options.save_initial.empty()) save_model(options.save_initial, training.state);
  const int steps = options.steps > 0 ? options.steps : row.steps, warmup = 3;
  std::vector<float> losses;
  const auto step = [&](int) { return seconds_of([&] { losses.push_back(training.step()); }); };
  const Times times = take_turns({step}, 0, steps, warmup).front();
  const double median = times.median() * 1e3, best = times.best() * 1e3;
  const bool prints = own_rank() == 0;
  if (!options.json) {
    if (prints) {
      std::printf("%-12s median %9.3f ms  best %9.3f ms  %s\n", row.name, median, best, row.what);
    }
    if (rank_count() > 1 && !training.state.parameters.empty())
      print_averaging(training.state, times.median());
    flush_output();
    return;
  }
  if (!prints) return;
  nlohmann::json result = result_row("bench train", {{"row", row.name}, {"steps", steps}}, seed);
  for (double time : times.turns) result["milliseconds"].push_back(time * 1e3);
  result["median"] = median;
  result["best"] = best;
  result["first losses"] = std::vector<float>(losses.begin(), losses.begin() + warmup);
  result["peak MB"] = peak_megabytes();
  result["peak MB before"] = before;
  std::printf("%s\n", text_of(result).c_str());
}

}  // namespace

float scalar_step() {
  Tape<float> tape;
  const Var<float> a = tape.leaf(scalar(0.5f)), b = tape.leaf(scalar(0.9f));
  Var<float> y = a;
  for (int i = 0; i < 500; ++i) y = y * b + a;
  tape.backward(y);
  return y.item();
}

void add_bench_train(Command bench) {
  const Command command =
      bench.command("train", "the time of one training step of several networks");
  const auto o = std::make_shared<TrainBench>();
  command.add("--row", o->row, "one row of the table (default: all)", one_of(names_of(rows)));
  command.add("--steps", o->steps, "steps timed, after 3 for warming up", rounds);
  command.add("--json", o->json, "one JSON object a row instead of a table");
  command.add("--save-initial", o->save_initial,
              "write the row's parameters before the first step to this file", file_name);
  command.run([o] {
    blas_report();  // chooses the kernel before the first step
    for (const Row& row : rows) {
      if (o->row.empty() || o->row == row.name) bench_row(row, *o);
    }
  });
}

}  // namespace tapesort
