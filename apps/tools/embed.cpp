// tapesort embed: the outputs of a trained network for the images of a data set, as .npy.
#include <unistd.h>

#include <cstdio>

#include "apps/data/data_set.hpp"
#include "apps/experiments/knn_tasks.hpp"
#include "apps/program/program.hpp"
#include "engine/check.hpp"
#include "models/npy.hpp"
#include "models/saved_network.hpp"

namespace tapesort {
namespace {

struct EmbedOptions {
  std::string model, data = "digits", part = "test", out, labels;
};

void run_embed(const EmbedOptions& o) {
  const SavedNetwork saved = load_network(o.model);
  const DataSet data = load_data(o.data);
  const ImageSet& set = o.part == "test" ? data.test : data.train;
  const ImageShape& shape = saved.image;
  require(set.height() == shape.height && set.width() == shape.width &&
              set.channels() == shape.channels,
          "embed: ", data.name, " has images ", set.height(), " x ", set.width(), " x ",
          set.channels(), "; ", o.model, " takes ", shape.height, " x ", shape.width, " x ",
          shape.channels);
  const auto progress = [&](std::size_t done) {
    if (isatty(2)) std::fprintf(stderr, "\rembed  %zu of %zu images", done, set.size());
  };
  const Array<float> all = network_outputs(*saved.network, set, /*mirror=*/false, progress);
  if (isatty(2)) std::fprintf(stderr, "\n");
  save_npy(o.out, all);
  if (!o.labels.empty()) save_npy(o.labels, set.labels);
  std::printf("%s: %s, the outputs of %s for the %s images of %s\n", o.out.c_str(),
              to_text(all.shape()).c_str(), saved.name.c_str(), o.part.c_str(), data.name.c_str());
}

}  // namespace

void add_embed(Command program) {
  const Command command =
      program.command("embed", "the outputs of a network that knn or sort saved, as .npy");
  const auto o = std::make_shared<EmbedOptions>();
  command.add("--model", o->model, "what --save has written", file_name).required();
  command.add("--data", o->data, "as of knn", file_name);
  command.add("--part", o->part, "which images", one_of({"train", "test"}));
  command.add("--out", o->out, "a file, (N, outputs)", file_name).required();
  command.add("--labels", o->labels, "a file for the images' labels, (N)", file_name);
  command.run([o] { run_embed(*o); });
}

}  // namespace tapesort
