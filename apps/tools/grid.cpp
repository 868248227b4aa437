// tapesort grid: sorts colours onto a grid, so that neighbours are alike, by ShuffleSoftSort
// (models/shuffle_soft_sort.hpp), while one watches.
#include <stb_image.h>
#include <stb_image_write.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "apps/program/program.hpp"
#include "apps/report/printed.hpp"
#include "apps/report/progress.hpp"
#include "engine/check.hpp"
#include "models/npy.hpp"
#include "models/shuffle_soft_sort.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"

namespace tapesort {
namespace {

struct GridOptions {
  std::string picture, out;
  std::size_t side = 24, every = 10;
  std::uint64_t seed = 1;
  ShuffleSoftSortOptions sort;
};

// As many random colours, or random pixels of a picture: (count, 3), 0 .. 1.
Array<float> colours(const std::string& picture, std::size_t count, Generator& random) {
  if (picture.empty()) return random.uniform<float>({count, 3});
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load(picture.c_str(), &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) throw std::runtime_error(picture + ": " + stbi_failure_reason());
  const std::size_t size = std::size_t(width) * std::size_t(height);
  require(size >= count, "grid: ", picture, " has ", size, " pixels; need at least ", count,
          ", or a smaller --side");
  Array<float> all = uninitialized<float>({count, 3});
  const Indices chosen = random.permutation(size);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all.data()[i] = float(pixels.get()[std::size_t(chosen.data()[i / 3]) * 3 + i % 3]) / 255;
  }
  return all;
}

// The mean distance of horizontal and vertical neighbours: colours (side * side, 3) -> ().
template <class T> Var<T> neighbour_distance(const Var<T>& colours, std::size_t side) {
  const Index n = Index(side);
  const Var<T> grid = reshape(colours, {n, n, -1});
  const auto along = [&](int axis) {
    return mean(norm(slice(grid, axis, 1, n) - slice(grid, axis, 0, n - 1), -1));
  };
  return (along(0) + along(1)) / T(2);
}

// The mean distance of two different ones.
double mean_distance(const Array<float>& colours) {
  const std::size_t count = colours.shape(0);
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      double square = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        square += std::pow(double(colours(i, c)) - double(colours(j, c)), 2);
      }
      total += std::sqrt(square);
    }
  }
  return 2 * total / double(count * (count - 1));
}

std::uint8_t byte(float x) { return std::uint8_t(std::lround(255 * std::clamp(x, 0.0f, 1.0f))); }

void write_png(const std::string& file, const Array<float>& colours, std::size_t side) {
  constexpr std::size_t cell = 16;
  const std::size_t width = cell * side;
  std::vector<std::uint8_t> pixels(width * width * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::size_t row = i / 3 / width / cell, column = i / 3 % width / cell;
    pixels[i] = byte(colours(row * side + column, i % 3));
  }
  if (!stbi_write_png(file.c_str(), int(width), int(width), 3, pixels.data(), int(3 * width))) {
    throw std::runtime_error(file + ": cannot be written");
  }
}

// Two rows of cells in a line of text: the upper half of a character, and what is behind it.
void draw_on_terminal(const Array<float>& colours, std::size_t side, const std::string& line) {
  for (std::size_t row = 0; row < side; row += 2) {
    for (std::size_t column = 0; column < side; ++column) {
      const float* upper = &colours(row * side + column, 0);
      std::printf("\x1b[38;2;%d;%d;%dm", byte(upper[0]), byte(upper[1]), byte(upper[2]));
      if (row + 1 < side) {
        const float* lower = upper + 3 * side;
        std::printf("\x1b[48;2;%d;%d;%dm", byte(lower[0]), byte(lower[1]), byte(lower[2]));
      }
      std::printf("\u2580\x1b[0m");
    }
    std::printf("\n");
  }
  std::printf("%s\x1b[K\n", line.c_str());
  std::fflush(stdout);
}

void run_grid(const GridOptions& o) {
  Generator random = Generator(o.seed).split(1);
  const Array<float> items = colours(o.picture, o.side * o.side, random);
  const double scale = mean_distance(items);
  if (!o.out.empty()) std::filesystem::create_directories(o.out);
  ShuffleSoftSort<float> sort(
      items, [&](const Var<float>& y) { return neighbour_distance(y, o.side) / float(scale); },
      o.sort, o.seed);
  const auto distance = [&] {
    return double(neighbour_distance(constant(sort.arranged()), o.side).item());
  };
  const double before = distance();
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  std::size_t frames = 0;
  const auto show = [&] {
    const Array<float> now = sort.arranged();
    if (terminal) {
      if (frames > 0) std::printf("\x1b[%zuA", (o.side + 1) / 2 + 1);
      draw_on_terminal(now, o.side,
                       printed("phase %zu/%zu, mean distance of neighbours %.4f", sort.phases(),
                               o.sort.phases, distance()));
    }
    if (!o.out.empty())
      write_png(printed("%s/frame-%05zu.png", o.out.c_str(), frames), now, o.side);
    ++frames;
  };
  show();
  while (sort.phase()) {
    if (sort.phases() % o.every == 0 || sort.phases() == o.sort.phases) show();
  }
  std::printf("%s, %zu x %zu: mean distance of neighbours %.4f -> %.4f (of any two %.4f)\n",
              o.picture.empty() ? "random colours" : o.picture.c_str(), o.side, o.side, before,
              distance(), scale);
  if (o.out.empty()) return;
  write_png(o.out + "/grid.png", sort.arranged(), o.side);
  save_npy(o.out + "/order.npy", sort.order());
  std::printf("%zu frames, grid.png and order.npy: %s\n", frames, o.out.c_str());
}

}  // namespace

void add_grid(Command program) {
  const Command command =
      program.command("grid", "sort colours onto a grid, so that neighbours are alike");
  const auto o = std::make_shared<GridOptions>();
  command.add("--picture", o->picture,
              "a PNG or JPEG whose pixels give the colours (default: random ones)", file_name);
  command.add("--side", o->side, "cells of the grid each way", whole(2, 100));
  command.add("--phases", o->sort.phases, "how often the places are shuffled", a_count);
  command.add("--steps", o->sort.steps, "of Adam in a phase", a_count);
  command.add("--lr", o->sort.learning_rate, "learning rate, in places", learning_rate);
  command.add("--tau", o->sort.tau_first, "temperature of the first phase, in places", temperature);
  command.add("--tau-last", o->sort.tau_last, "of the last one", temperature);
  command.add("--seed", o->seed, "of everything random", any_seed);
  command.add("--every", o->every, "phases from one picture to the next", a_count);
  command.add("--out", o->out, "folder for the pictures (PNG) and the order (order.npy)",
              file_name);
  command.run([o] { run_grid(*o); });
}

}  // namespace tapesort
