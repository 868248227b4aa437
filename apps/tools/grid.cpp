// tapesort grid: sorts colours onto a grid, so that neighbours are alike, by ShuffleSoftSort
// (models/shuffle_soft_sort.hpp), while one watches.
#include <stb_image.h>
#include <stb_image_write.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>

#include "apps/program/processes.hpp"
#include "apps/program/program.hpp"
#include "apps/report/printed.hpp"
#include "engine/check.hpp"
#include "models/files/replace_file.hpp"
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

volatile std::sig_atomic_t stopped = 0;  // by which signal

// As many random colours, or random pixels of a picture: (count, 3), 0 .. 1.
Array<float> colours(const std::string& picture, std::size_t count, Generator& random) {
  if (picture.empty()) return random.uniform<float>({count, 3});
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load(picture.c_str(), &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) {
    const bool there = access(picture.c_str(), R_OK) == 0;
    fault(picture, ": ", there ? stbi_failure_reason() : std::strerror(errno));
  }
  const std::size_t size = std::size_t(width) * std::size_t(height);
  require(size >= count, "grid: ", picture, " has ", size, " pixels; need at least ", count,
          ", or a smaller --side");
  Array<float> all = uninitialized<float>({count, 3});
  std::set<std::size_t> chosen;
  for (std::size_t i = 0; i < count;) {
    const std::size_t pixel = random.below(size);
    if (!chosen.insert(pixel).second) continue;
    for (std::size_t c = 0; c < 3; ++c) all(i, c) = float(pixels.get()[pixel * 3 + c]) / 255;
    ++i;
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

// The mean distance of two different items.
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
  std::string png;
  const auto append = [](void* to, void* data, int size) {
    static_cast<std::string*>(to)->append(static_cast<char*>(data), std::size_t(size));
  };
  stbi_write_png_to_func(append, &png, int(width), int(width), 3, pixels.data(), int(3 * width));
  replace_file_content(file, {png});
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
  stopped = 0;
  Generator random = Generator(o.seed).split(1);
  const Array<float> items = colours(o.picture, o.side * o.side, random);
  const double scale = mean_distance(items);
  ShuffleSoftSort<float> sort(
      items, [&](const Var<float>& y) { return neighbour_distance(y, o.side) / float(scale); },
      o.sort, o.seed);
  const auto distance = [&] {
    return double(neighbour_distance(constant(sort.arranged()), o.side).item());
  };
  const double before = distance();
  winsize size{};
  const bool terminal = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= o.side &&
                        size.ws_row > (o.side + 1) / 2 + 1;  // a terminal with enough room
  std::size_t frames = 0;
  const auto show = [&] {
    const Array<float> now = sort.arranged();
    if (terminal) {
      if (frames > 0) std::printf("\x1b[%zuA", (o.side + 1) / 2 + 1);
      draw_on_terminal(now, o.side,
                       printed("phase %zu/%zu, mean distance of neighbours %.4f", sort.phases(),
                               o.sort.phases, distance()));
    }
    if (!o.out.empty()) write_png(o.out + printed("/frame-%05zu.png", frames), now, o.side);
    ++frames;
  };
  show();
  const StopSignals signals([](int signal, siginfo_t*, void*) { stopped = signal; });
  while (stopped == 0 && sort.phase()) {
    if (sort.phases() % o.every == 0 || sort.phases() == o.sort.phases) show();
  }
  std::printf("%s, %zu x %zu%s: mean distance of neighbours %.4f -> %.4f (of any two %.4f)\n",
              o.picture.empty() ? "random colours" : o.picture.c_str(), o.side, o.side,
              stopped ? printed(", stopped after %zu phases", sort.phases()).c_str() : "", before,
              distance(), scale);
  if (!o.out.empty()) {
    write_png(o.out + "/grid.png", sort.arranged(), o.side);
    save_npy(o.out + "/order.npy", sort.order());
    std::printf("%zu frames, grid.png and order.npy: %s\n", frames, o.out.c_str());
  }
  if (stopped) end_with(status_of_signal(stopped));
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
