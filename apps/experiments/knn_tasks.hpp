// What `tapesort knn` can train: an embedding whose nearest neighbours vote, or, to stand beside
// it, the same network as a plain classifier, or an autoencoder's code.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "apps/data/augment.hpp"
#include "apps/data/image_set.hpp"
#include "apps/experiments/knn_losses.hpp"
#include "apps/training/run.hpp"

namespace tapesort {

struct KnnOptions : TrainingOptions {
  KnnOptions() {
    weight_decay = 5e-4;
    augment = "shift";
    average = 0.3;  // on 500 validation images the best epoch is one of luck (tables.md)
  }
  std::string data = "digits", method = "neural_sort", network = "paper_mnist", queries = "all";
  std::size_t k = 9, batch = 100, samples = 5;
  std::size_t epoch_steps = 0;  // from one validation to the next
  double tau = 16;
  bool mirror = false;      // outputs are the mean of an image's and of its mirror image's
  std::size_t classes = 0;  // of the data
};

// Trains on one pool of images, in an order that is shuffled anew for each pass over them, and is
// picked by the accuracy on the other. Options and pools must outlive it.
class PoolTask : public Task {
 public:
  PoolTask(const KnnOptions& options, const Split& pools)
      : options_(options), training_(pools.training), validation_(pools.validation) {}

  std::string name() const override { return "knn"; }
  std::size_t steps_per_epoch() const override { return options_.epoch_steps; }
  std::size_t images_per_step() const override { return options_.batch; }
  double validate() override;
  State<float> state() override { return network().state(); }
  std::map<std::string, std::string> metadata() const override;

  // The classes of the queries, when the labels of `known` may be used, and the k known images that
  // decided it, nearest first (q, k); none for a classifier that needs no neighbours. Unless a task
  // says otherwise, the network's outputs are points whose neighbours vote.
  struct Answer {
    Indices classes;
    std::optional<Indices> neighbours;
  };
  virtual Answer classify(const ImageSet& queries, const ImageSet& known);

 protected:
  virtual Layer<float>& network() = 0;
  // The images of a step. Different roles are independent shuffles.
  Indices batch_of(std::size_t step, std::uint64_t role);
  // Those images, augmented.
  Var<float> training_images(Tape<float>& tape, const Indices& which, Generator& random) const;
  // The network's outputs for all images of a set, (N, outputs), outside of training.
  Array<float> outputs_of(const ImageSet& set);

  const KnnOptions& options_;
  const ImageSet &training_, &validation_;

 private:
  Indices shuffled_[2];
  std::size_t shuffled_pass_[2] = {0, 0};  // whose order that is, counted from 1
};

// What --method can be: pixels and pca, with which nothing is trained, autoencoder, classifier, and
// all neighbour_methods().
struct KnnMethod {
  std::string name;
  // Its task on these pools; `random` gives the initial weights. Empty: nothing is trained.
  // std::invalid_argument for an unknown network, or one that the images are too small for.
  std::function<std::unique_ptr<PoolTask>(const KnnOptions& options, const Split& pools,
                                          Generator& random)>
      make;
};
const std::vector<KnnMethod>& knn_methods();

// The network's outputs for all images of a set, (N, outputs), outside of training; with `mirror`, the
// mean of an image's and of its mirror image's. Calls tell(images done), if it is not empty.
Array<float> network_outputs(Layer<float>& network, const ImageSet& set, bool mirror,
                             const std::function<void(std::size_t done)>& tell = {});

// kNN on given points (q, d) and (c, d).
PoolTask::Answer classify_by_neighbours(const Array<float>& queries, const Array<float>& known,
                                        const Indices& labels, std::size_t k);

// The pixels as points, (N, H * W * C).
Array<float> pixels(const ImageSet& set);

}  // namespace tapesort
