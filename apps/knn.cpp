// tapesort knn: a differentiable k-nearest-neighbours classifier, trained end to end.
//
// An embedding network is trained so that NeuralSort of the negative squared distances puts the
// mass of its first k rows on candidates of the query's class. At test it is plain kNN: the true k
// nearest of all training embeddings vote.
#include <memory>

#include "apps/commands.hpp"
#include "apps/data/data_set.hpp"
#include "apps/report/neighbour_sheet.hpp"
#include "apps/report/progress.hpp"
#include "apps/training_options.hpp"
#include "engine/check.hpp"
#include "models/nearest_neighbours.hpp"
#include "models/networks.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

struct KnnOptions : TrainingOptions {
  KnnOptions() {
    optimizer = "sgd";
    weight_decay = 5e-4;
  }
  std::string data = "digits", method = "deterministic", network = "paper_mnist";
  std::size_t k = 9, batch = 100, validation = 0;
  double tau = 16;
};

// Embeddings of all images of a set, (N, d), batch by batch.
Array<float> embed(Layer<float>& network, const ImageSet& set) {
  constexpr std::size_t batch = 500;
  Array<float> all;
  for (std::size_t begin = 0; begin < set.size(); begin += batch) {
    const std::size_t end = std::min(set.size(), begin + batch);
    Tape<float> off(Recording::off);
    const Var<float> y = network.forward({off}, off.constant(images(set, begin, end)));
    const std::size_t d = y.size() / (end - begin);
    if (begin == 0) all = uninitialized<float>({set.size(), d});
    std::copy_n(y.value().data(), y.size(), all.data() + begin * d);
  }
  return all;
}

Array<float> pixels(const ImageSet& set) {
  return with_shape(images(set), {set.size(), set.image_size()});
}

// The fraction of queries that k nearest neighbours among the candidates classify rightly.
double knn_accuracy(const Array<float>& queries, const Indices& truth,
                    const Array<float>& candidates, const Indices& labels, std::size_t k) {
  const Indices which = nearest_neighbours(queries, candidates, k);
  return accuracy(majority_vote(neighbour_labels(which, labels)), truth);
}

class KnnTask : public Task {
 public:
  KnnTask(const KnnOptions& options, Layer<float>& network, const ImageSet& training,
          const ImageSet& validation)
      : options_(options), network_(network), training_(training), validation_(validation) {}

  std::string name() const override { return "knn"; }
  std::size_t steps_per_epoch() const override { return training_.size() / options_.batch; }
  std::size_t images_per_step() const override { return 2 * options_.batch; }
  State<float> state() override { return network_.state(); }

  // Queries and candidates come from two independent shuffles of the training pool, made anew each
  // epoch; all queries of a step share its candidates. One pass embeds both.
  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const Indices queries = batch_of(step, 0), candidates = batch_of(step, 1);
    Indices both = uninitialized<Index>({2 * options_.batch});
    std::copy_n(queries.data(), options_.batch, both.data());
    std::copy_n(candidates.data(), options_.batch, both.data() + options_.batch);
    const Var<float> x = tape.constant(images(training_, both));
    const Var<float> e = network_.forward({tape, true, &random}, x);
    const Index middle = Index(options_.batch);
    return knn_loss(slice(e, 0, 0, middle), labels(training_, queries),
                    slice(e, 0, middle, 2 * middle), labels(training_, candidates), options_.k,
                    options_.tau);
  }

  double validate() override {
    return knn_accuracy(embed(network_, validation_), validation_.labels,
                        embed(network_, training_), training_.labels, options_.k);
  }

 private:
  Indices batch_of(std::size_t step, std::uint64_t role) {
    const std::size_t epoch = step / steps_per_epoch();
    if (shuffled_epoch_[role] != epoch + 1) {
      const Generator random = Generator(options_.seed).split(epoch);
      shuffled_[role] = random.split(role).permutation(training_.size());
      shuffled_epoch_[role] = epoch + 1;
    }
    Indices which = uninitialized<Index>({options_.batch});
    std::copy_n(shuffled_[role].data() + step % steps_per_epoch() * options_.batch, options_.batch,
                which.data());
    return which;
  }

  const KnnOptions& options_;
  Layer<float>& network_;
  const ImageSet &training_, &validation_;
  Indices shuffled_[2];
  std::size_t shuffled_epoch_[2] = {0, 0};  // whose order that is, counted from 1
};

nlohmann::json settings_of(const KnnOptions& o) {
  nlohmann::json settings{
      {"data", o.data}, {"method", o.method}, {"network", o.network},      {"k", o.k},
      {"tau", o.tau},   {"batch", o.batch},   {"validation", o.validation}};
  add_settings(o, settings);
  return settings;
}

void check(KnnOptions& o, const DataSet& data) {
  const std::size_t size = data.train.size();
  if (o.validation == 0) o.validation = std::min<std::size_t>(5000, size / 8);
  complete(o);
  require(o.validation + o.batch <= size, "knn: ", data.name, " has ", size,
          " training images; --validation ", o.validation, " leaves less than one --batch of ",
          o.batch);
  require(o.k >= 1 && o.k <= o.batch, "knn: need 1 <= --k <= --batch (", o.batch,
          " candidates), got ", o.k);
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

int run_knn(KnnOptions o) {
  const DataSet data = load_data(o.data);
  check(o, data);
  Generator split_random = Generator(o.seed).split(1);
  Generator network_random = Generator(o.seed).split(2);
  const Split pools = split(data.train, o.validation, split_random);
  say(o,
      to_message("data: ", data.name, ", ", pools.training.size(), " training images, ",
                 pools.validation.size(), " for validation, ", data.test.size(), " for the test"));
  const double pixel_accuracy =
      knn_accuracy(pixels(data.test), data.test.labels, pixels(data.train), data.train.labels, o.k);
  say(o, to_message("plain kNN on pixels, k = ", o.k, ": test accuracy ", percent(pixel_accuracy)));

  const ImageShape shape{data.train.height(), data.train.width(), data.train.channels()};
  const auto network = make_network(o.network, shape, 0, network_random);
  KnnTask task(o, *network, pools.training, pools.validation);
  const nlohmann::json settings = settings_of(o);
  const TrainingResult result = train(task, o, settings);
  if (result.interrupted) return interrupted_code;

  // The test, looked at once. The candidates are all training images, whose labels are known.
  const Indices which =
      nearest_neighbours(embed(*network, data.test), embed(*network, data.train), o.k);
  const Indices predicted = majority_vote(neighbour_labels(which, data.train.labels));
  const double test_accuracy = accuracy(predicted, data.test.labels);
  say(o, to_message("trained ", result.steps, " steps in ", duration_text(result.seconds),
                    "; best validation accuracy ", percent(result.best_validation), " after epoch ",
                    result.best_epoch));
  say(o, to_message("differentiable kNN, k = ", o.k, ": test accuracy ", percent(test_accuracy),
                    " (pixels: ", percent(pixel_accuracy), ")"));

  nlohmann::json row = training_row("knn", settings, o, result);
  row["test_accuracy"] = test_accuracy;
  row["pixel_accuracy"] = pixel_accuracy;
  if (!o.out.empty()) {
    draw_neighbour_sheet("test images and their nearest neighbours", data.test, data.train,
                         data.classes, rows_to_show(which, predicted, data.test.labels),
                         o.in_out("neighbours.png"));
  }
  finish(o, row, result, "differentiable kNN");
  return 0;
}

}  // namespace

void add_knn(CLI::App& program) {
  CLI::App* command =
      program.add_subcommand("knn", "train a differentiable k-nearest-neighbours classifier");
  const auto o = std::make_shared<KnnOptions>();
  command->add_option("--data", o->data, "digits, fashion, cifar10:DIR, or a folder of IDX files")
      ->capture_default_str();
  command->add_option("--method", o->method, "how the embedding is trained")
      ->check(CLI::IsMember({"deterministic"}))
      ->capture_default_str();
  command->add_option("--network", o->network, "the embedding")
      ->check(CLI::IsMember(network_names()))
      ->capture_default_str();
  command->add_option("--k", o->k, "neighbours, in training and at test")->capture_default_str();
  command->add_option("--tau", o->tau, "temperature, in units of squared distance")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--batch", o->batch, "queries in a step, and as many candidates")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option(
      "--validation", o->validation,
      "training images set aside for validation (default: an eighth, at most 5000)");
  add_training_options(*command, *o, "passes over the training images");
  command->callback([o] {
    if (const int code = run_knn(*o)) throw CLI::RuntimeError(code);
  });
}

}  // namespace tapesort
