// tapesort rank: learns to rank the documents of queries, by any loss of ops/ranking.hpp, from files
// of SVMlight lines with query ids. tapesort score: what a saved model says of others.
#include "apps/data/ranking_set.hpp"
#include "apps/program/program.hpp"
#include "apps/training/ranks.hpp"
#include "apps/training/run.hpp"
#include "engine/check.hpp"
#include "models/by_name.hpp"
#include "models/checkpoint.hpp"
#include "models/npy.hpp"
#include "ops/ranking.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

constexpr std::size_t shown_places[] = {1, 3, 5, 10};

struct RankOptions : TrainingOptions {
  RankOptions() {
    default_epochs = 100;
    learning_rate = 3e-3;
    average = 0.5;
  }
  std::string data, loss = "list_net", network = "linear", features = "both";
  std::size_t batch = 20, k = 10, hidden = 64;
  double tau = 1, dropout = 0;
};

// Losses by name: scores and labels (q, n) -> (q).
struct LossEntry {
  const char* name;
  double weight_decay;  // the default; larger for a larger loss
  Var<float> (*loss)(const Var<float>&, const Array<float>&, const RankOptions&, const ItemMask&);
};
#define LOSS(name, weight_decay, value)                                                       \
  {                                                                                           \
    name, weight_decay,                                                                       \
        [](const Var<float>& s, const Array<float>& y, [[maybe_unused]] const RankOptions& o, \
           const ItemMask& mask) { return value; }                                            \
  }
const LossEntry losses[] = {
    LOSS("list_net", 0.3, list_net_loss(s, y, mask)),
    LOSS("list_mle", 3, list_mle_loss(s, y, mask)),
    LOSS("pairwise_logistic", 10, pairwise_logistic_loss(s, y, mask)),
    LOSS("ndcg_loss2", 0.3, lambda_loss(s, y, LambdaWeights::ndcg_loss2, mask)),
    LOSS("lambda_rank", 0.1, lambda_loss(s, y, LambdaWeights::lambda_rank, mask)),
    LOSS("neural_ndcg", 0.003, neural_ndcg_loss(s, y, o.tau, o.k, mask)),
    LOSS("pi_rank", 0.003, pi_rank_loss(s, y, o.tau, o.k, mask)),
    LOSS("spearman", 0.03, spearman_loss(s, y, o.tau, mask)),
};
#undef LOSS

// What the network sees of a document: columns with mean 0 and deviation 1 over the training set. A
// feature has one, its value; or two, whether it is there (is not 0), and its value among those that
// are there, else 0. What is the same for all documents is left at 0.
class Columns {
 public:
  Columns(std::size_t for_each, std::size_t features)  // 1 or 2 columns for each feature
      : features_(features),
        means_(zeros<float>({for_each, features})),
        scales_(zeros<float>(means_.shape())) {}

  void standardise(const RankingSet& training) {
    const std::size_t documents = training.documents();
    const bool both = means_.shape(0) == 2;
    for (std::size_t f = 0; f < features_; ++f) {
      double there = 0;
      std::vector<double> values;
      for (std::size_t d = 0; d < documents; ++d) {
        const double value = double(training.features(d, f));
        there += value != 0;
        if (value != 0 || !both) values.push_back(value);
      }
      standardise(0, f, values);
      if (!both) continue;
      std::vector<double> is_there(documents, 0);
      std::fill_n(is_there.begin(), std::size_t(there), 1);
      standardise(1, f, is_there);
    }
  }

  std::size_t features() const { return features_; }
  std::size_t count() const { return means_.size(); }
  void collect(State<float>& state) {
    state.buffers.push_back({"columns.mean", &means_});
    state.buffers.push_back({"columns.scale", &scales_});
  }

  // The set with its columns as features.
  RankingSet of(const RankingSet& set) const {
    const bool both = means_.shape(0) == 2;
    Array<float> columns = uninitialized<float>({set.documents(), count()});
    for (std::size_t d = 0; d < set.documents(); ++d) {
      for (std::size_t f = 0; f < features_; ++f) {
        const float value = set.features(d, f), there = value != 0;
        columns(d, f) = both && value == 0 ? 0 : (value - means_(0, f)) * scales_(0, f);
        if (both) columns(d, features_ + f) = (there - means_(1, f)) * scales_(1, f);
      }
    }
    return {std::move(columns), set.labels, set.begins};
  }

 private:
  void standardise(std::size_t row, std::size_t f, const std::vector<double>& values) {
    double mean = 0, variance = 0;
    for (double v : values) mean += v / double(values.size());
    for (double v : values) variance += (v - mean) * (v - mean) / double(values.size());
    means_(row, f) = float(mean);
    const double scale = 1 / std::sqrt(variance);
    scales_(row, f) = variance > 1e-12 * mean * mean && scale < 1e30 ? float(scale) : 0;
  }

  std::size_t features_;
  Array<float> means_, scales_;
};

// What gives documents their scores; its state is what --save writes.
class RankModel {
 public:
  // hidden = 0: linear.
  RankModel(const Columns& columns, std::size_t hidden, double dropout, Generator random)
      : columns_(columns) {
    if (dropout > 0) network_.add<Dropout<float>>(dropout);
    std::size_t in = columns_.count();
    if (hidden > 0) {
      network_.add<Linear<float>>("fc1", in, hidden, Init::he, random).add<Relu<float>>();
      if (dropout > 0) network_.add<Dropout<float>>(dropout);
      in = hidden;
    }
    network_.add<Linear<float>>("scores", in, 1, Init::fan_in, random);
  }

  const Columns& columns() const { return columns_; }
  // x (documents, columns) -> (documents)
  Var<float> scores(const Pass<float>& pass, const Array<float>& x) {
    return reshape(network_.forward(pass, pass.tape.constant(x)), {-1});
  }
  Array<float> scores(const Array<float>& x) {
    Tape<float> off(Recording::off);
    return scores({off}, x).value();
  }
  State<float> state() {
    State<float> all = network_.state();
    columns_.collect(all);
    return all;
  }

 private:
  Columns columns_;
  Sequential<float> network_;
};

RankModel load_rank_model(const std::string& file) {
  const Checkpoint<float> checkpoint = load_checkpoint<float>(file);
  const auto shape = [&](const char* name) {
    const auto found = checkpoint.arrays.find(name);
    return found == checkpoint.arrays.end() ? Shape{} : found->second.shape();
  };
  const Shape means = shape("columns.mean"), hidden = shape("fc1.weight");
  if (means.size() != 2 || (means[0] != 1 && means[0] != 2) || means[1] == 0) {
    fault(file, ": has no columns of features; need a file that rank saved");
  }
  RankModel model({means[0], means[1]}, hidden.size() == 2 ? hidden[1] : 0, 0, Generator(0));
  restore(file, checkpoint, model.state());
  return model;
}

// The queries of a set as losses and figures take them, (queries, n).
struct Padded {
  Indices places;  // of each document in the set; 0 where masked
  Array<float> labels;
  ItemMask mask;
};

Padded padded(const RankingSet& set, std::size_t n) {
  Indices places = zeros<Index>({set.queries(), n}), lengths = zeros<Index>({set.queries()});
  Array<float> labels = zeros<float>(places.shape());
  for (std::size_t q = 0; q < set.queries(); ++q) {
    for (std::size_t d = set.begins[q]; d < set.begins[q + 1]; ++d) {
      const std::size_t j = std::size_t(lengths(q)++);
      places(q, j) = Index(d), labels(q, j) = set.labels(d);
    }
  }
  return {places, labels, ItemMask::of_lengths(lengths, n)};
}

// order[begin], .., order[end - 1]
Indices part_of(const Indices& order, std::size_t begin, std::size_t end) {
  Indices part = uninitialized<Index>({end - begin});
  std::copy(order.data() + begin, order.data() + end, part.data());
  return part;
}

double mean_of(const Array<double>& x) { return mean(constant<double>(x)).item(); }

Figures figures_of(const RankingSet& test, const Array<float>& scores) {
  const auto [places, y, mask] = padded(test, test.longest());
  const Array<float> s = take(constant(scores), places).value();
  static const char* const keys[] = {"ndcg_1", "ndcg_3", "ndcg_5", "ndcg_10"};
  Figures figures;
  for (std::size_t i = 0; i < 4; ++i) {
    figures.push_back({keys[i], mean_of(ndcg(s, y, shown_places[i], mask))});
  }
  const Var<double> five = constant(ndcg(s, y, 5, mask));
  const std::size_t n = five.size();  // of the mean, over the test's queries
  figures.push_back({"ndcg_5_standard_error",
                     n > 1 ? std::sqrt(var(five).item() / double(n - 1)) : std::nan("")});
  figures.push_back({"mrr", mean_of(reciprocal_rank(s, y, mask))});
  return figures;
}

std::string text_of(const Figures& figures) {
  std::string text;
  for (std::size_t i = 0; i < 4; ++i) {
    text += printed("%sNDCG@%zu %.4f", i ? ", " : "", shown_places[i], figures[i].second);
  }
  return text + printed(", MRR %.4f; standard error of NDCG@5 over the queries %.4f",
                        figures[5].second, figures[4].second);
}

class RankTask : public Task {
 public:
  RankTask(const RankOptions& options, const RankingSet& training, const RankingSet& validation)
      : options_(options),
        loss_(by_name(losses, options.loss, "rank", "loss").loss),
        model_(columns_of(training, options.features == "both"),
               options.network == "mlp" ? options.hidden : 0, options.dropout,
               Generator(options.seed).split(2)),
        training_(model_.columns().of(training)),
        validation_(model_.columns().of(validation)) {}

  std::string name() const override { return "rank"; }
  const char* unit() const override { return "queries"; }
  std::size_t steps_per_epoch() const override {
    return (training_.queries() + options_.batch - 1) / options_.batch;
  }
  std::size_t images_per_step() const override { return options_.batch; }

  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const RankingSet batch = batch_of(step, random);
    const auto [places, y, mask] = padded(batch, training_.longest());
    const Var<float> s = model_.scores({tape, true, &random}, batch.features);
    return mean(loss_(take(s, places), y, options_, mask));
  }

  double validate() override {
    const auto [places, y, mask] = padded(validation_, validation_.longest());
    const Var<float> s = constant(model_.scores(validation_.features));
    return mean_of(ndcg(take(s, places).value(), y, 5, mask));
  }

  State<float> state() override { return model_.state(); }
  std::map<std::string, std::string> metadata() const override {
    return {{"model", "rank " + options_.network}, {"features", options_.features}};
  }

  Figures figures(const RankingSet& test) {
    return figures_of(test, model_.scores(model_.columns().of(test).features));
  }

 private:
  static Columns columns_of(const RankingSet& training, bool both) {
    Columns columns(both ? 2 : 1, training.features.shape(1));
    columns.standardise(training);
    return columns;
  }

  // The last step of an epoch has the queries that are left. Documents in random order: what is
  // decided by their order, equal labels in list_mle, is decided anew in each step.
  RankingSet batch_of(std::size_t step, Generator& random) {
    const std::size_t per_epoch = steps_per_epoch(), epoch = step / per_epoch;
    const Indices order =
        Generator(options_.seed).split(3).split(epoch).permutation(training_.queries());
    const std::size_t begin = step % per_epoch * options_.batch;
    const std::size_t end = std::min(begin + options_.batch, order.size());
    return select_queries(training_, part_of(order, begin, end), &random);
  }

  const RankOptions& options_;
  const decltype(LossEntry::loss) loss_;
  RankModel model_;
  const RankingSet training_, validation_;  // with columns
};

void run_rank(RankOptions& o) {
  require(rank_count() == 1, "rank: trains in one process, not in ", rank_count());
  const RunFolder folder(o);
  const RankingSet all = load_ranking_set(ranking_file(o.data, "train"));
  const RankingSet test = load_ranking_set(ranking_file(o.data, "test"), all.features.shape(1));
  complete(o, all.queries());
  require(o.validation < all.queries(), "rank: --validation ", o.validation, " leaves none of the ",
          all.queries(), " queries to train on");
  const Indices dealt = Generator(o.seed).split(1).permutation(all.queries());
  const RankingSet validation = select_queries(all, part_of(dealt, 0, o.validation));
  const RankingSet training = select_queries(all, part_of(dealt, o.validation, all.queries()));
  say(o, "data: ", training.queries(), " queries with ", training.documents(),
      " documents to train on, ", validation.queries(), " for validation, ", test.queries(),
      " with ", test.documents(), " for the test; ", all.features.shape(1), " features");

  RankTask task(o, training, validation);
  const TrainingResult result = train(task, o);
  say(o, trained_text(result, printed("NDCG@5 %.4f", result.best_validation)));
  const Figures figures = task.figures(test);  // looked at once
  say(o, o.network, " by ", o.loss, ": on the test queries ", text_of(figures));
  finish(o, "rank", "ranking by " + o.loss, result, figures);
}

struct ScoreOptions {
  std::string model, data, out;
};

void run_score(const ScoreOptions& o) {
  RankModel model = load_rank_model(o.model);
  const RankingSet set = load_ranking_set(o.data, model.columns().features());
  const Array<float> scores = model.scores(model.columns().of(set).features);
  save_npy(o.out, scores);
  std::printf("%s: %s, the scores of the documents in order\nwith their labels: %s\n",
              o.out.c_str(), to_text(scores.shape()).c_str(),
              text_of(figures_of(set, scores)).c_str());
}

}  // namespace

void add_score(Command program) {
  const Command command = program.command(
      "score",
      "the scores that a model of rank gives to documents, as .npy, and how good they are");
  const auto o = std::make_shared<ScoreOptions>();
  command.add("--model", o->model, "what rank --save has written", file_name).required();
  command.add("--data", o->data, "a file of lines as rank reads them, or its .gz", file_name)
      .required();
  command.add("--out", o->out, "a file, (documents)", file_name).required();
  command.run([o] { run_score(*o); });
}

void add_rank(Command program) {
  const Command command =
      program.command("rank", "learn to rank the documents of queries, by any of eight losses");
  const auto o = std::make_shared<RankOptions>();
  command
      .setting("--data", o->data,
               "folder with train.svm and test.svm (or .txt, or either with .gz): lines such as "
               "2 qid:7 1:0.5 3:1",
               file_name)
      .required();
  command.setting("--loss", o->loss, "what is lowered (ops/ranking.hpp)", one_of(names_of(losses)));
  command.setting("--tau", o->tau,
                  "temperature of neural_ndcg and pi_rank, strength of spearman's ranks, in units "
                  "of the scores",
                  temperature);
  command.setting("--k", o->k, "places that neural_ndcg and pi_rank count", a_count);
  command.setting("--network", o->network, "what gives a document its score",
                  one_of({"linear", "mlp"}));
  command.setting("--hidden", o->hidden, "units of the mlp", whole(1, 65536));
  command.setting("--dropout", o->dropout, "of columns and hidden units", number(0, 0.99));
  command.setting("--features", o->features,
                  "values, standardised; both: whether each is there (not 0), and its value among "
                  "those that are",
                  one_of({"values", "both"}));
  command.setting("--batch", o->batch, "queries in a step", a_count);
  std::string decays;
  for (const LossEntry& entry : losses) {
    decays += to_message(decays.empty() ? "" : ", ", entry.name, " ", entry.weight_decay);
  }
  add_training_options(command, *o, "times over the training queries", "queries");
  command.option("--weight-decay").shows_default(decays);
  command.run([o, command] {
    if (command.given("--weight-decay").empty()) {
      o->weight_decay = by_name(losses, o->loss, "rank", "loss").weight_decay;
    }
    run_rank(*o);
  });
}

}  // namespace tapesort
