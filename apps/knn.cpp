// tapesort knn: a differentiable k-nearest-neighbours classifier, trained end to end.
//
// An embedding network is trained so that NeuralSort of the negative squared distances puts the
// mass of its first k rows on candidates of the query's class. At test it is plain kNN: the true k
// nearest of all training embeddings vote. Other methods stand beside it (knn_tasks.hpp).
#include <memory>

#include "apps/commands.hpp"
#include "apps/data/data_set.hpp"
#include "apps/knn_tasks.hpp"
#include "apps/option_checks.hpp"
#include "apps/report/neighbour_sheet.hpp"
#include "apps/report/progress.hpp"
#include "apps/stop_signals.hpp"
#include "apps/training_options.hpp"
#include "engine/check.hpp"
#include "models/nearest_neighbours.hpp"
#include "models/networks.hpp"
#include "models/pca.hpp"

namespace tapesort {
namespace {

constexpr std::size_t pca_components = 50;  // as in the paper

struct KnnOptions : TrainingOptions {
  KnnOptions() {
    weight_decay = 5e-4;
    augment = "shift";
  }
  std::string data = "digits", method = "neural_sort", network = "paper_mnist";
  std::size_t k = 9, batch = 100, samples = 5, epoch_steps = 0;
  double tau = 16;
  std::string queries = "all";
  bool mirror = false;
};

nlohmann::json settings_of(const KnnOptions& o) {
  nlohmann::json settings{{"data", o.data},       {"method", o.method},
                          {"network", o.network}, {"k", o.k},
                          {"tau", o.tau},         {"batch", o.batch},
                          {"samples", o.samples}, {"epoch_steps", o.epoch_steps},
                          {"queries", o.queries}, {"mirror", o.mirror}};
  add_settings(o, settings);
  return settings;
}

void check(KnnOptions& o, const DataSet& data, bool trains) {
  const std::size_t size = data.train.size();
  complete_validation(o, size);
  complete(o);
  require(!trains || o.validation + o.batch <= size, "knn: ", data.name, " has ", size,
          " training images; --validation ", o.validation, " leaves less than one --batch of ",
          o.batch);
  if (trains && o.epoch_steps == 0) o.epoch_steps = (size - o.validation) / o.batch;
}

// Twenty test images with their neighbours: the wrong ones first, so that they can be looked at.
std::vector<NeighbourRow> rows_to_show(const Indices& which, const Indices& predicted,
                                       const Indices& truth) {
  std::vector<NeighbourRow> rows;
  const std::size_t k = which.shape()[1];
  for (const bool wrong : {true, false}) {
    for (std::size_t i = 0; i < truth.size() && rows.size() < (wrong ? 10 : 20); ++i) {
      if ((predicted.data()[i] != truth.data()[i]) != wrong) continue;
      const Index* first = which.data() + i * k;
      rows.push_back({Index(i), std::vector<Index>(first, first + k), predicted.data()[i]});
    }
  }
  return rows;
}

// Accuracy on the test images with the pixels, or their principal components, as points.
double untrained_accuracy(const DataSet& data, const KnnOptions& o, bool pca) {
  Array<float> known = pixels(data.train), queries = pixels(data.test);
  if (pca) {
    const Pca components(known, pca_components);
    known = components.transform(known);
    queries = components.transform(queries);
  }
  const auto answer = classify_by_neighbours(queries, known, data.train.labels, o.k);
  return accuracy(answer.classes, data.test.labels);
}

int run_knn(KnnOptions o) {
  const RunFolder folder(o.out, o.save, o.resume);
  const KnnMethod& method = knn_method(o.method);
  const DataSet data = load_data(o.data);
  check(o, data, method.make != nullptr);
  Generator split_random = Generator(o.seed).split(1);
  Generator network_random = Generator(o.seed).split(2);
  const Split pools = split(data.train, o.validation, split_random);
  const nlohmann::json settings = settings_of(o);
  say(o,
      to_message("data: ", data.name, ", ", pools.training.size(), " training images, ",
                 pools.validation.size(), " for validation, ", data.test.size(), " for the test"));
  const double pixel_accuracy = untrained_accuracy(data, o, /*pca=*/false);
  say(o, to_message("plain kNN on pixels, k = ", o.k, ": test accuracy ", percent(pixel_accuracy)));

  TrainingResult result;
  PoolTask::Answer answer;
  double test_accuracy = pixel_accuracy;
  if (o.method == "pca") test_accuracy = untrained_accuracy(data, o, /*pca=*/true);
  if (method.make) {
    const auto task =
        method.make({o.network, o.k, o.batch, o.samples, data.classes.size(), o.tau, o.seed,
                     o.epoch_steps, augmentations().at(o.augment), o.queries == "all", o.mirror},
                    pools.training, pools.validation, network_random);
    result = train(*task, o, settings);
    if (result.interrupted) return status_of_signal(result.interrupted);
    say(o, to_message("trained ", result.steps, " steps in ", duration_text(result.seconds),
                      "; best validation accuracy ", percent(result.best_validation),
                      " after epoch ", result.best_epoch));
    // The test, looked at once. All training images are known, those for validation included.
    answer = task->classify(data.test, data.train);
    test_accuracy = accuracy(answer.classes, data.test.labels);
  }
  say(o, to_message(o.method, ", k = ", o.k, method.make ? augmented_by(o) : "", ": test accuracy ",
                    percent(test_accuracy), " (pixels: ", percent(pixel_accuracy), ")"));

  nlohmann::json row = training_row("knn", settings, o, result);
  row["test_accuracy"] = test_accuracy;
  row["pixel_accuracy"] = pixel_accuracy;
  if (!o.out.empty() && answer.neighbours) {
    draw_neighbour_sheet("test images and their nearest neighbours", data.test, data.train,
                         data.classes,
                         rows_to_show(*answer.neighbours, answer.classes, data.test.labels),
                         o.in_out(neighbours_name));
  }
  finish(o, row, result, o.method);
  return 0;
}

}  // namespace

void add_knn(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("knn", "train a differentiable k-nearest-neighbours classifier");
  const auto o = std::make_shared<KnnOptions>();
  command->add_option("--data", o->data, "digits, fashion, cifar10:DIR, or a folder of IDX files")
      ->check(file_name)
      ->capture_default_str();
  std::vector<std::string> methods;
  for (const KnnMethod& method : knn_methods()) methods.push_back(method.name);
  command->add_option("--method", o->method, "how images become points, or what is trained instead")
      ->check(CLI::IsMember(methods))
      ->capture_default_str();
  command->add_option("--samples", o->samples, "of noise, for the stochastic methods")
      ->check(a_count)
      ->capture_default_str();
  command->add_option("--network", o->network, "the embedding")
      ->check(CLI::IsMember(network_names()))
      ->capture_default_str();
  command->add_option("--k", o->k, "neighbours, in training and at test")
      ->check(a_count)
      ->capture_default_str();
  command->add_option("--tau", o->tau, "temperature, in units of squared distance")
      ->check(temperature)
      ->capture_default_str();
  command
      ->add_option("--batch", o->batch, "queries in a step, and as many candidates (see --queries)")
      ->check(a_count)
      ->capture_default_str();
  command
      ->add_option("--epoch-steps", o->epoch_steps,
                   "steps from one validation to the next (default: once through the images)")
      ->check(rounds);
  command
      ->add_option("--queries", o->queries,
                   "half: of a step's 2 * batch images half are queries and half candidates, as in "
                   "the paper; all: each is a query, and all others its candidates")
      ->check(CLI::IsMember({"half", "all"}))
      ->capture_default_str();
  command->add_flag(
      "--mirror", o->mirror,
      "look at each image and its mirror image, and take the mean of the network's outputs");
  add_training_options(*command, *o, "times over --epoch-steps steps");
  command->callback([o] {
    if (const int code = run_knn(*o)) throw CLI::RuntimeError(code);
  });
}

}  // namespace tapesort
