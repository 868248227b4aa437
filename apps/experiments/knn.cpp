// tapesort knn: a differentiable k-nearest-neighbours classifier, trained end to end.
//
// An embedding network is trained so that NeuralSort of the negative squared distances puts the
// mass of its first k rows on candidates of the query's class. At test it is plain kNN: the true k
// nearest of all training embeddings vote. Other methods stand beside it (knn_tasks.hpp).
#include "apps/data/data_set.hpp"
#include "apps/experiments/knn_tasks.hpp"
#include "apps/program/program.hpp"
#include "apps/report/neighbour_sheet.hpp"
#include "apps/training/ranks.hpp"
#include "apps/training/run.hpp"
#include "models/by_name.hpp"
#include "models/nearest_neighbours.hpp"
#include "models/networks.hpp"
#include "models/pca.hpp"

namespace tapesort {
namespace {

constexpr std::size_t pca_components = 50;  // as in the paper

// Fills in what depends on the data and on other options.
void complete(KnnOptions& o, const DataSet& data, bool trains) {
  const std::size_t size = data.train.size(), batch = o.batch;
  complete(o, size);
  require(!trains || o.validation + batch <= size, "knn: ", data.name, " has ", size,
          " training images; --validation ", o.validation, " leaves less than one --batch of ",
          batch);
  if (trains && o.epoch_steps == 0) o.epoch_steps = (size - o.validation) / batch;
  o.classes = data.classes.size();
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
double untrained_accuracy(const DataSet& data, std::size_t k, bool pca) {
  Array<float> known = pixels(data.train), queries = pixels(data.test);
  if (pca) {
    const Pca components(known, pca_components);
    known = components.transform(known);
    queries = components.transform(queries);
  }
  const auto answer = classify_by_neighbours(queries, known, data.train.labels, k);
  return accuracy(answer.classes, data.test.labels);
}

void run_knn(KnnOptions& o) {
  const RunFolder folder(o);
  const KnnMethod& method = by_name(knn_methods(), o.method, "knn", "method");
  require(method.make || o.save.empty(), "knn: ", o.method,
          " trains nothing that --save could write");
  const DataSet data = load_data(o.data);
  complete(o, data, method.make != nullptr);
  Generator split_random = Generator(o.seed).split(1);
  Generator network_random = Generator(o.seed).split(2);
  const Split pools = split(data.train, o.validation, split_random);
  const auto task = method.make ? method.make(o, pools, network_random) : nullptr;
  const std::size_t k = o.k;
  say(o, "data: ", data.name, ", ", pools.training.size(), " training images, ",
      pools.validation.size(), " for validation, ", data.test.size(), " for the test");
  const double pixel_accuracy = untrained_accuracy(data, k, /*pca=*/false);
  say(o, "plain kNN on pixels, k = ", k, ": test accuracy ", percent(pixel_accuracy));

  TrainingResult result;
  PoolTask::Answer answer;
  double test_accuracy = pixel_accuracy;
  if (o.method == "pca") test_accuracy = untrained_accuracy(data, k, /*pca=*/true);
  if (task) {
    result = train(*task, o);
    say(o, trained_text(result, "accuracy " + percent(result.best_validation)));
    // The test, looked at once. All training images are known, those for validation included.
    answer = task->classify(data.test, data.train);
    test_accuracy = accuracy(answer.classes, data.test.labels);
  }
  say(o, o.method, ", k = ", k, task ? augmented_by(o) : "", ": test accuracy ",
      percent(test_accuracy), " (pixels: ", percent(pixel_accuracy), ")");
  if (!o.out.empty() && answer.neighbours && own_rank() == 0) {
    draw_neighbour_sheet("test images and their nearest neighbours", data.test, data.train,
                         data.classes,
                         rows_to_show(*answer.neighbours, answer.classes, data.test.labels),
                         o.in_out(neighbours_name));
  }
  finish(o, "knn", o.method, result,
         {{"test_accuracy", test_accuracy}, {"pixel_accuracy", pixel_accuracy}});
}

}  // namespace

void add_knn(Command program) {
  const Command command =
      program.command("knn", "train a differentiable k-nearest-neighbours classifier");
  const auto o = std::make_shared<KnnOptions>();
  command.setting("--data", o->data,
                  "digits, fashion, mnist, cifar10, or a folder of images (apps/data/README.md)",
                  file_name);
  command.setting("--method", o->method, "how images become points, or what is trained instead",
                  one_of(names_of(knn_methods())));
  command.setting("--samples", o->samples, "of noise, for the stochastic methods", a_count);
  command.setting("--network", o->network, "the embedding", one_of(network_names()));
  command.setting("--k", o->k, "neighbours, in training and at test", a_count);
  command.setting("--tau", o->tau, "temperature, in units of squared distance", temperature);
  command.setting("--batch", o->batch, "queries in a step, and as many candidates (see --queries)",
                  a_count);
  command.setting("--epoch-steps", o->epoch_steps,
                  "steps from one validation to the next (default: once through the images)",
                  rounds);
  command.setting("--queries", o->queries,
                  "half: of a step's 2 * batch images half are queries and half candidates, as in "
                  "the paper; all: each is a query, and all others its candidates",
                  one_of({"half", "all"}));
  command.setting("--mirror", o->mirror,
                  "look at each image and its mirror image, and take the mean of the network's "
                  "outputs");
  add_training_options(command, *o, "times over --epoch-steps steps");
  command.run([o] { run_knn(*o); });
}

}  // namespace tapesort
