// `tapesort bench train`: the time of one whole training step -- tape, forward, backward, optimizer
// -- of a few networks. apps/bench/train_torch.py does the same work with PyTorch, for comparison.
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/bench/memory.hpp"
#include "apps/bench/stopwatch.hpp"
#include "apps/commands.hpp"
#include "apps/option_checks.hpp"
#include "apps/output.hpp"
#include "apps/report/result_row.hpp"
#include "engine/blas.hpp"
#include "models/checkpoint.hpp"
#include "models/networks.hpp"
#include "models/optimizers.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/softmax.hpp"

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

// One row of the table: a network on fixed data, and how it is trained.
class Training {
 public:
  virtual ~Training() = default;
  virtual float step() = 0;  // returns the loss
  virtual State<float> state() = 0;
};

enum class Loss { mean_square, cross_entropy };
enum class Rule { sgd, sgd_momentum, adam };

class NetworkTraining : public Training {
 public:
  NetworkTraining(std::unique_ptr<Layer<float>> network, const Shape& input, Loss loss, Rule rule)
      : loss_(loss),
        x_(same_everywhere(input)),
        labels_(uninitialized<Index>({input[0]})),
        network_(std::move(network)) {
    for (std::size_t i = 0; i < labels_.size(); ++i) labels_.data()[i] = Index(i % 10);
    const auto parameters = network_->state().parameters;
    if (rule == Rule::adam) {
      optimizer_ = std::make_unique<Adam<float>>(parameters, 1e-4);
    } else if (rule == Rule::sgd) {
      optimizer_ = std::make_unique<Sgd<float>>(parameters, 1e-3);
    } else {
      optimizer_ = std::make_unique<Sgd<float>>(parameters, 1e-3, 0.9, 5e-4);
    }
  }

  float step() override {
    Tape<float> tape;
    const Var<float> y = network_->forward({tape, /*training=*/true}, tape.constant(x_));
    const Var<float> loss =
        loss_ == Loss::mean_square ? mean(square(y)) : cross_entropy(y, labels_);
    tape.backward(loss);
    optimizer_->step();
    optimizer_->zero_grad();
    return loss.item();
  }

  State<float> state() override { return network_->state(); }

 private:
  Loss loss_;
  Array<float> x_;
  Indices labels_;
  std::unique_ptr<Layer<float>> network_;
  std::unique_ptr<Optimizer<float>> optimizer_;
};

// 1,000 scalar operations, y <- y b + a five hundred times, and their gradient.
class ScalarTraining : public Training {
 public:
  float step() override {
    Tape<float> tape;
    const Var<float> a = tape.leaf(scalar(0.5f)), b = tape.leaf(scalar(0.9f));
    Var<float> y = a;
    for (int i = 0; i < 500; ++i) y = y * b + a;
    tape.backward(y);
    return y.item();
  }
  State<float> state() override { return {}; }
};

struct Row {
  const char* name;
  const char* what;
  int steps;  // by default
  std::unique_ptr<Training> (*make)();
};

std::unique_ptr<Training> of_images(const std::string& network, std::size_t images,
                                    const ImageShape& image, std::size_t outputs, Loss loss,
                                    Rule rule) {
  Generator random(seed);
  return std::make_unique<NetworkTraining>(make_network(network, image, outputs, random),
                                           Shape{images, image.height, image.width, image.channels},
                                           loss, rule);
}

std::unique_ptr<Training> sorting(std::size_t images) {
  return of_images("paper_sort", images, {112, 28, 1}, 1, Loss::mean_square, Rule::adam);
}

std::unique_ptr<Training> mlp(std::size_t batch) {
  Generator random(seed);
  auto net = std::make_unique<Sequential<float>>();
  net->add<Linear<float>>("fc1", 784, 256, Init::fan_in, random).add<Relu<float>>();
  net->add<Linear<float>>("fc2", 256, 128, Init::fan_in, random).add<Relu<float>>();
  net->add<Linear<float>>("fc3", 128, 10, Init::fan_in, random);
  return std::make_unique<NetworkTraining>(std::move(net), Shape{batch, 784}, Loss::cross_entropy,
                                           Rule::sgd);
}

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
    {"mlp-32", "MLP 784-256-128-10, batch 32, SGD", 500, [] { return mlp(32); }},
    {"mlp-1", "MLP 784-256-128-10, batch 1, SGD", 500, [] { return mlp(1); }},
    {"scalar-1000", "1,000 scalar operations, forward and backward", 500,
     [] { return std::unique_ptr<Training>(std::make_unique<ScalarTraining>()); }},
};

struct Options {
  std::string row;
  int steps = 0;
  bool json = false;
  std::string save_initial;
};

double peak_megabytes() { return status_bytes("VmHWM:") / (1024 * 1024); }

void bench_row(const Row& row, const Options& options) {
  const double before = peak_megabytes();
  const std::unique_ptr<Training> training = row.make();
  if (!options.save_initial.empty()) save_model(options.save_initial, training->state());
  const int steps = options.steps > 0 ? options.steps : row.steps, warmup = 3;
  std::vector<float> losses;
  const auto step = [&](int) { return seconds_of([&] { losses.push_back(training->step()); }); };
  const Times times = take_turns({step}, 0, steps, warmup).front();
  const double median = times.median() * 1e3, best = times.best() * 1e3;
  if (!options.json) {
    std::printf("%-12s median %9.3f ms  best %9.3f ms  %s\n", row.name, median, best, row.what);
    flush_output();
    return;
  }
  nlohmann::json result = result_row("bench train", {{"row", row.name}, {"steps", steps}}, seed);
  for (double time : times.turns) result["milliseconds"].push_back(time * 1e3);
  result["median"] = median;
  result["best"] = best;
  result["first losses"] = std::vector<float>(losses.begin(), losses.begin() + warmup);
  result["peak MB"] = peak_megabytes();
  result["peak MB before"] = before;
  std::printf("%s\n", result.dump().c_str());
}

void bench_train(const Options& options) {
  blas_report();  // chooses the kernel before the first step
  bool found = false;
  for (const Row& row : rows) {
    if (!options.row.empty() && options.row != row.name) continue;
    found = true;
    bench_row(row, options);
  }
  if (!found) {
    std::string names;
    for (const Row& row : rows) names += std::string(names.empty() ? "" : ", ") + row.name;
    throw CLI::ValidationError("--row", "there is no row " + options.row + "; there are " + names);
  }
}

}  // namespace

void add_bench_train(CLI::App& bench) {
  static Options options;
  CLI::App* command =
      bench.add_subcommand("train", "the time of one training step of several networks");
  command->add_option("--row", options.row, "one row of the table (default: all)");
  command->add_option("--steps", options.steps, "steps timed, after 3 for warming up")
      ->check(rounds);
  command->add_flag("--json", options.json, "one JSON object a row instead of a table");
  command
      ->add_option("--save-initial", options.save_initial,
                   "write the row's parameters before the first step to this file")
      ->check(file_name);
  command->callback([] { bench_train(options); });
}

}  // namespace tapesort
