#include "apps/experiments/knn_tasks.hpp"

#include "apps/training/ranks.hpp"
#include "engine/check.hpp"
#include "models/nearest_neighbours.hpp"
#include "models/saved_network.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

ImageShape shape_of(const ImageSet& set) { return {set.height(), set.width(), set.channels()}; }

// The embedding that the paper trains.
class NeighbourTask : public PoolTask {
 public:
  NeighbourTask(const NeighbourMethod& method, const KnnOptions& options, const Split& pools,
                Generator& random)
      : PoolTask(options, pools),
        method_(method),
        network_(make_network(options.network, shape_of(training_), 0, random)) {
    const auto [first, last] = own_part(options.batch, "--batch");
    const std::size_t b = last - first;
    const std::size_t candidates =
        std::min(options.queries == "all" ? 2 * b - 1 : b, training_.size());
    require(options.k >= 1 && options.k <= candidates, "knn: need 1 <= --k <= ", candidates,
            ", the candidates of a step, got ", options.k);
  }

  std::size_t images_per_step() const override { return 2 * options_.batch; }

  // The images come from two independent shuffles, one pass embeds both. Either those of the first
  // are queries, and the others their candidates, as in the paper; or every image is a query, and
  // all others are its candidates: four times as many pairs from the same convolutions. In a small
  // pool the two parts may share images.
  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const Indices queries = batch_of(step, 0), candidates = batch_of(step, 1);
    const std::size_t batch = queries.size();
    Indices both = uninitialized<Index>({2 * batch});
    std::copy_n(queries.data(), batch, both.data());
    std::copy_n(candidates.data(), batch, both.data() + batch);
    const Var<float> e =
        network_->forward({tape, true, &random}, training_images(tape, both, random));
    const NeighbourLoss how{options_.k, options_.tau, options_.samples, &random};
    if (options_.queries == "all") {
      const Indices classes = labels(training_, both);
      const Var<float> same = without_diagonal(constant(same_class(classes, classes)));
      return mean(method_.loss(without_diagonal(-squared_distances(e, e)), same.value(), how));
    }
    const Var<float> scores = -squared_distances(slice(e, 0, 0, Index(batch)),
                                                 slice(e, 0, Index(batch), Index(2 * batch)));
    const Array<float> same = same_class(labels(training_, queries), labels(training_, candidates));
    return mean(method_.loss(scores, same, how));
  }

 private:
  Layer<float>& network() override { return *network_; }

  const NeighbourMethod method_;
  std::unique_ptr<Layer<float>> network_;
};

// The same network, with one output for each class.
class ClassifierTask : public PoolTask {
 public:
  ClassifierTask(const KnnOptions& options, const Split& pools, Generator& random)
      : PoolTask(options, pools) {
    network_.add(make_network(options.network, shape_of(training_), 0, random));
    Tape<float> off(Recording::off);
    const auto one = off.constant(images(training_, 0, 1));
    const std::size_t features = network_.forward({off}, one).size();
    network_.add<Linear<float>>("classes", features, options.classes, Init::fan_in, random);
  }

  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const Indices which = batch_of(step, 0);
    const Var<float> x = training_images(tape, which, random);
    return cross_entropy(network_.forward({tape, true, &random}, x), labels(training_, which));
  }

  Answer classify(const ImageSet& queries, const ImageSet&) override {
    return {argmax(outputs_of(queries)), std::nullopt};
  }

 private:
  Layer<float>& network() override { return network_; }

  Sequential<float> network_;
};

// 784-500-500-50-500-500-784, ReLU, a sigmoid at the end; its code of 50 numbers is the embedding.
class AutoencoderTask : public PoolTask {
 public:
  AutoencoderTask(const KnnOptions& options, const Split& pools, Generator& random)
      : PoolTask(options, pools) {
    const std::size_t size = training_.image_size();
    encoder_.add<Flatten<float>>();
    add_dense(encoder_, "encoder", {size, 500, 500, 50}, random);
    add_dense(decoder_, "decoder", {50, 500, 500, size}, random);
  }

  std::map<std::string, std::string> metadata() const override { return {}; }  // no named network
  State<float> state() override {
    State<float> state = encoder_.state();
    decoder_.collect(state);
    return state;
  }

  Var<float> loss(Tape<float>& tape, std::size_t step, Generator& random) override {
    const Pass<float> pass{tape, true, &random};
    const Var<float> x = training_images(tape, batch_of(step, 0), random);
    const Var<float> y = sigmoid(decoder_.forward(pass, encoder_.forward(pass, x)));
    return mse(y, reshape(x, {Index(x.shape()[0]), -1}));
  }

 private:
  Layer<float>& network() override { return encoder_; }
  static void add_dense(Sequential<float>& net, const std::string& name,
                        const std::vector<std::size_t>& sizes, Generator& random) {
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
      if (i > 0) net.add<Relu<float>>();
      net.add<Linear<float>>(name + std::to_string(i + 1), sizes[i], sizes[i + 1], Init::he,
                             random);
    }
  }

  Sequential<float> encoder_, decoder_;
};

template <class T>
std::unique_ptr<PoolTask> make(const KnnOptions& options, const Split& pools, Generator& random) {
  return std::make_unique<T>(options, pools, random);
}

}  // namespace

std::map<std::string, std::string> PoolTask::metadata() const {
  return network_metadata(options_.network, shape_of(training_), 0);
}

double PoolTask::validate() {
  return accuracy(classify(validation_, training_).classes, validation_.labels);
}

PoolTask::Answer PoolTask::classify(const ImageSet& queries, const ImageSet& known) {
  return classify_by_neighbours(outputs_of(queries), outputs_of(known), known.labels, options_.k);
}

Indices PoolTask::batch_of(std::size_t step, std::uint64_t role) {
  const std::size_t batch = options_.batch, steps_per_pass = training_.size() / batch;
  const auto [first, last] = own_part(batch, "--batch");
  const std::size_t pass = step / steps_per_pass;
  if (shuffled_pass_[role] != pass + 1) {
    const Generator random = Generator(options_.seed).split(pass);
    shuffled_[role] = random.split(role).permutation(training_.size());
    shuffled_pass_[role] = pass + 1;
  }
  const Index* of_step = shuffled_[role].data() + step % steps_per_pass * batch;
  Indices which = uninitialized<Index>({last - first});
  std::copy(of_step + first, of_step + last, which.data());
  return which;
}

Var<float> PoolTask::training_images(Tape<float>& tape, const Indices& which,
                                     Generator& random) const {
  return tape.constant(
      augment(images(training_, which), augmentations().at(options_.augment), random));
}

Array<float> PoolTask::outputs_of(const ImageSet& set) {
  return network_outputs(network(), set, options_.mirror);
}

Array<float> network_outputs(Layer<float>& network, const ImageSet& set, bool mirror,
                             const std::function<void(std::size_t done)>& tell) {
  constexpr std::size_t batch = 500;
  Array<float> all;
  for (std::size_t begin = 0; begin < set.size(); begin += batch) {
    const std::size_t end = std::min(set.size(), begin + batch);
    const bool own = begin / batch % rank_count() == own_rank();
    if (!own && begin > 0) continue;  // the first batch says how many outputs there are
    Tape<float> off(Recording::off);
    const Array<float> x = images(set, begin, end);
    Var<float> y = network.forward({off}, off.constant(x));
    if (mirror) y = 0.5f * (y + network.forward({off}, off.constant(mirrored(x))));
    const std::size_t d = y.size() / (end - begin);
    if (begin == 0) all = zeros<float>({set.size(), d});
    if (own) std::copy_n(y.value().data(), y.size(), all.data() + begin * d);
    if (tell) tell(end);
  }
  if (rank_count() > 1) add_over_ranks({&all});
  return all;
}

const std::vector<KnnMethod>& knn_methods() {
  static const std::vector<KnnMethod> all = [] {
    std::vector<KnnMethod> methods{{"pixels", nullptr},
                                   {"pca", nullptr},
                                   {"autoencoder", make<AutoencoderTask>},
                                   {"classifier", make<ClassifierTask>}};
    for (const NeighbourMethod& method : neighbour_methods()) {
      methods.push_back({method.name, [method](auto&&... arguments) {
                           return std::make_unique<NeighbourTask>(method, arguments...);
                         }});
    }
    return methods;
  }();
  return all;
}

PoolTask::Answer classify_by_neighbours(const Array<float>& queries, const Array<float>& known,
                                        const Indices& labels, std::size_t k) {
  Indices which;
  if (rank_count() == 1) {
    which = nearest_neighbours(queries, known, k);
  } else {
    const std::size_t count = queries.shape(0), d = queries.shape(1);
    const std::size_t first = own_rank() * count / rank_count();
    const std::size_t last = (own_rank() + 1) * count / rank_count();
    Array<float> own = uninitialized<float>({last - first, d});
    std::copy_n(queries.data() + first * d, own.size(), own.data());
    const Indices found = nearest_neighbours(own, known, k);
    which = zeros<Index>({count, k});
    std::copy_n(found.data(), found.size(), which.data() + first * k);
    add_over_ranks(which);
  }
  return {majority_vote(neighbour_labels(which, labels)), std::move(which)};
}

Array<float> pixels(const ImageSet& set) {
  return with_shape(images(set), {set.size(), set.image_size()});
}

}  // namespace tapesort
