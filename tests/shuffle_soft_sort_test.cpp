#include "models/shuffle_soft_sort.hpp"

#include <stb_image.h>
#include <stb_image_write.h>

#include "models/npy.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/hard.hpp"
#include "run_command.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// The mean distance of neighbours in a row of numbers (N, 1).
template <class T> Var<T> neighbours(const Var<T>& y) {
  const Index N = Index(y.shape()[0]);
  return mean(abs(slice(y, 0, 1, N) - slice(y, 0, 0, N - 1)));
}

bool is_permutation(const Indices& order) {
  return error_of([&] { inverse_permutation(order); }) == "no error";
}

// The mean distance of neighbours in a grid of colours (side * side, 3), in plain loops.
double distance_on_grid(const Array<double>& colours, std::size_t side) {
  double total = 0, count = 0;
  const auto add = [&](std::size_t a, std::size_t b) {
    double square = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      square += (colours(a, c) - colours(b, c)) * (colours(a, c) - colours(b, c));
    }
    total += std::sqrt(square), ++count;
  };
  for (std::size_t i = 0; i < side; ++i) {
    for (std::size_t j = 0; j < side; ++j) {
      if (j + 1 < side) add(i * side + j, i * side + j + 1);
      if (i + 1 < side) add(i * side + j, (i + 1) * side + j);
    }
  }
  return total / count;
}

// What a PNG of cells of 16 pixels shows.
Array<double> cells_of(const std::string& file, std::size_t side) {
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load(file.c_str(), &width, &height, &channels, 3), stbi_image_free);
  REQUIRE(pixels != nullptr);
  REQUIRE(width == int(16 * side));
  REQUIRE(height == width);
  Array<double> cells = uninitialized<double>({side * side, 3});
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t row = i / 3 / side, column = i / 3 % side;
    cells.data()[i] =
        pixels.get()[((16 * row + 8) * 16 * side + 16 * column + 8) * 3 + i % 3] / 255.0;
  }
  return cells;
}

}  // namespace

TEST_CASE_TEMPLATE("ShuffleSoftSort puts numbers where their neighbours are alike", T, float,
                   double) {
  const std::size_t N = 20;
  Generator random(1);
  const Array<T> x = convert<T>(with_shape(random.permutation(N), {N, 1}));
  ShuffleSoftSortOptions options;
  options.phases = 150;
  const auto loss = [&](const Var<T>& y) { return neighbours(y) / T(N / 3.0); };
  ShuffleSoftSort<T> sort(x, loss, options, 1), again(x, loss, options, 1);
  CHECK(sort.arranged() == x);
  const double before = double(neighbours(constant(x)).item());
  while (sort.phase()) CHECK(is_permutation(sort.order()));
  CHECK(sort.phases() == 150);
  const double after = double(neighbours(constant(sort.arranged())).item());
  CHECK(before > 5);  // a third of N, about; sorted, it is 1
  CHECK(after < 2.5);
  for (std::size_t i = 0; i < N; ++i)
    CHECK(sort.arranged()(i, 0) == x(std::size_t(sort.order()(i)), 0));
  while (again.phase()) continue;
  CHECK(again.order() == sort.order());
}

TEST_CASE("what ShuffleSoftSort refuses") {
  const auto error = [](const Array<double>& x, const ShuffleSoftSortOptions& options = {}) {
    return error_of([&] { ShuffleSoftSort<double>(x, neighbours<double>, options, 1); });
  };
  const std::string op = "invalid_argument: ShuffleSoftSort: ";
  CHECK(error({1, 2}) == op + "items are (2); need (N, d) with N >= 2");
  CHECK(error({{1, 2}}) == op + "items are (1, 2); need (N, d) with N >= 2");
  CHECK(error({{1, 2}, {1, NAN}}) == op + "an item has nan; need finite numbers");
  CHECK(error({{1, 2}, {1, 2}}) == op + "all items are equal; need some that differ");
  ShuffleSoftSortOptions options;
  options.steps = 0;
  CHECK(error({{1, 2}, {2, 1}}, options) ==
        op + "need at least one phase of at least one step, got 400 of 0");
  options.steps = 1, options.tau_last = 0;
  CHECK(error({{1, 2}, {2, 1}}, options) == op + "tau_last must be > 0 and finite, got 0");
}

TEST_CASE("tapesort grid arranges random colours, and shows how") {
  const TemporaryFolder folder;
  const std::string out = folder / "out";
  const Outcome outcome = run_program(
      {"grid", "--side", "8", "--phases", "200", "--every", "75", "--out", out.c_str()});
  CAPTURE(outcome.error);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.rfind("random colours, 8 x 8: mean distance of neighbours 0.", 0) == 0);
  CHECK(outcome.out.find('\x1b') == std::string::npos);  // it is no terminal
  CHECK(outcome.out.find("\n4 frames, grid.png and order.npy: " + out) != std::string::npos);
  const Array<double> before = cells_of(out + "/frame-00000.png", 8);
  const Array<double> after = cells_of(out + "/grid.png", 8);
  CHECK(after == cells_of(out + "/frame-00003.png", 8));  // after 0, 75, 150 and 200 phases
  CHECK(distance_on_grid(after, 8) < 0.6 * distance_on_grid(before, 8));
  const Indices order = load_npy<Index>(out + "/order.npy");
  REQUIRE(order.shape() == Shape{64});
  CHECK(is_permutation(order));
  CHECK(take(constant(before), order).value() == after);
}

TEST_CASE("tapesort grid takes the colours of a picture") {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> pixels;  // reds and blues, one after the other
  for (int i = 0; i < 36; ++i) {
    const bool red = i % 2;
    pixels.insert(pixels.end(), {std::uint8_t(red ? 255 : 0), 0, std::uint8_t(red ? 0 : 255)});
  }
  const std::string file = folder / "p.png", out = folder / "out";
  REQUIRE(stbi_write_png(file.c_str(), 6, 6, 3, pixels.data(), 18) != 0);
  const Outcome outcome = run_program(
      {"grid", "--picture", file.c_str(), "--side", "6", "--phases", "100", "--out", out.c_str()});
  CAPTURE(outcome.error);
  REQUIRE(outcome.status == 0);
  const Array<double> cells = cells_of(out + "/grid.png", 6);
  double reds = 0;
  for (std::size_t i = 0; i < 36; ++i) {
    CHECK(cells(i, 0) + cells(i, 2) == 1);
    reds += cells(i, 0);
  }
  CHECK(reds == 18);
  CHECK(distance_on_grid(cells, 6) <
        0.6 * distance_on_grid(cells_of(out + "/frame-00000.png", 6), 6));

  CHECK(run_program({"grid", "--picture", file.c_str(), "--side", "7"}).error ==
        "tapesort: grid: " + file + " has 36 pixels; need at least 49, or a smaller --side\n");
  const std::string none = folder / "none.png";
  CHECK(run_program({"grid", "--picture", none.c_str()}).error ==
        "tapesort: " + none + ": No such file or directory\n");
  folder.write("text.png", "no picture");
  const std::string text = folder / "text.png";
  CHECK(run_program({"grid", "--picture", text.c_str()}).error ==
        "tapesort: " + text + ": unknown image type\n");
  CHECK(run_program({"grid", "--side", "1"})
            .error.find("--side: need a whole number from 2 to 100") != std::string::npos);
  const Outcome in_a_file =
      run_program({"grid", "--side", "2", "--phases", "1", "--out", text.c_str()});
  CHECK(in_a_file.status == 1);
  CHECK(in_a_file.error.find("Not a directory") != std::string::npos);
}
