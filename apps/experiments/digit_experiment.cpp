#include "apps/experiments/digit_experiment.hpp"

#include "apps/data/data_set.hpp"
#include "apps/training/ranks.hpp"
#include "ops/newton.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

// The streams that are split off the seed, one for each thing that is random. (The trainer's are the
// numbers of its steps, so the first few see the same bits again, for other purposes.)
enum Stream : std::uint64_t {
  pools = 1,
  networks = 2,
  batches = 3,
  validation_sets = 4,
  test_sets = 5
};

}  // namespace

void add_digit_options(Command command, DigitOptions& o) {
  command.setting("--data", o.data,
                  "digits, mnist, fashion (the class is the digit), or a folder of images",
                  file_name);
  command.setting("--n", o.n, "numbers in a set", whole(2, 100));
  command.setting("--digits", o.digits, "digits of a number, one picture each", whole(1, 18));
  command.setting("--tau", o.tau,
                  "temperature, in units of the scores (default: the method's; row_stochastic and "
                  "reinforce have none)",
                  temperature);
  command.setting(
      "--newton", o.newton,
      "lambda of Newton losses, which divide the scores' gradient by its Fisher matrix + "
      "lambda (ops/newton.hpp); 0 for none",
      number(0, 1e12));
  command.setting("--samples", o.samples, "samples of a stochastic method in a step", a_count);
  command.setting("--network", o.network, "what looks at the picture of a number",
                  one_of(network_names()));
  command.setting("--batch", o.batch, "sets in a step", a_count);
  command.setting("--epoch-steps", o.epoch_steps,
                  "steps in an epoch (default: as many as make batch x digits training images)",
                  rounds);
  command.setting("--validation-sets", o.validation_sets, "sets drawn from those for validation",
                  rounds);
  command.setting("--test-sets", o.test_sets, "sets drawn from the test images", rounds);
  add_training_options(command, o, "times over --epoch-steps steps");
}

Generator network_stream(const DigitOptions& options) {
  return Generator(options.seed).split(Stream::networks);
}

DigitPools::DigitPools(DigitOptions& o) : options_(o) {
  DataSet data = load_data(o.data);
  complete(o, data.train.size());
  Generator random = Generator(o.seed).split(Stream::pools);
  Split parts = split(data.train, o.validation, random);
  const std::size_t training = parts.training.size();
  if (o.epoch_steps == 0) o.epoch_steps = std::max<std::size_t>(1, training / (o.batch * o.digits));
  const std::string aside = to_message(" images, with --validation ", o.validation);
  training_.emplace(std::move(parts.training), "the training" + aside);
  validation_.emplace(std::move(parts.validation), "the validation" + aside);
  test_.emplace(std::move(data.test), "the test images");
}

std::string DigitPools::text() const {
  return to_message("data: ", options_.data, ", ", training_->set().size(), " training images, ",
                    validation_->set().size(), " for validation, ", test_->set().size(),
                    " for the test; sets of ", options_.n, " numbers of ", options_.digits,
                    " digits, ", options_.epoch_steps, " steps an epoch");
}

ImageShape DigitPools::number_shape() const {
  const ImageSet& set = training_->set();
  return {options_.digits * set.height(), set.width(), set.channels()};
}

const DigitSets& DigitPools::batch(std::size_t step) {
  if (!batches_ || batches_->position() != step) {
    const Generator random = Generator(options_.seed).split(Stream::batches);
    const Part part = own_part(options_.batch, "--batch");
    batches_.emplace(
        [this, random, part](std::uint64_t number) {
          Generator of_batch = random.split(number);
          return draw_digit_sets(*training_, options_.batch, options_.n, options_.digits, of_batch,
                                 augmentations().at(options_.augment), part);
        },
        step);
  }
  return batches_->next();
}

void DigitPools::for_validation(const Look& look) const {
  for_sets(*validation_, options_.validation_sets, Stream::validation_sets, look);
}
void DigitPools::for_test(const Look& look) const {
  for_sets(*test_, options_.test_sets, Stream::test_sets, look);
}

void DigitPools::for_sets(const DigitPool& pool, std::size_t count, std::uint64_t stream,
                          const Look& look) const {
  Generator random = Generator(options_.seed).split(stream);
  const std::size_t at_once = std::max<std::size_t>(1, 100 / options_.n);
  for (std::size_t done = 0; done < count;) {
    const std::size_t sets = std::min(at_once, count - done);
    look(draw_digit_sets(pool, sets, options_.n, options_.digits, random));
    done += sets;
  }
}

Var<float> DigitTask::for_training(const Var<float>& x) const {
  return options_.newton > 0 ? fisher_step(x, options_.newton) : x;
}

Var<float> outputs_of(Layer<float>& network, const Pass<float>& pass, const DigitSets& sets) {
  const Var<float> x = network.forward(pass, pass.tape.constant(sets.images));
  return reshape(x, {Index(sets.labels.shape(0)), Index(sets.labels.shape(1)), -1});
}

}  // namespace tapesort
