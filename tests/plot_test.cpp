#include "apps/report/plot.hpp"

#include <cmath>
#include <cstdlib>

#include "apps/report/neighbour_sheet.hpp"
#include "op_table.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// Where programs are looked for, while one lives.
class SearchPath {
 public:
  explicit SearchPath(const std::string& path) : before_(std::getenv("PATH")) {
    setenv("PATH", path.c_str(), 1);
  }
  ~SearchPath() { setenv("PATH", before_.c_str(), 1); }
  SearchPath(const SearchPath&) = delete;
  SearchPath& operator=(const SearchPath&) = delete;

 private:
  std::string before_;
};

// The end of each PNG file, as printf has it.
const char* const png_end = "\\0\\0\\0\\0IEND\\256\\102\\140\\202";

// A program in gnuplot's place that keeps its commands, and puts out no more than a picture's end.
class PretendedGnuplot {
 public:
  explicit PretendedGnuplot(const std::string& last_command = "exit 0")
      : search_(folder_.path() + ":" + std::getenv("PATH")) {
    folder_.write("gnuplot", "#!/bin/sh\ncat > '" + folder_ / "commands" + "'\nprintf '" + png_end +
                                 "'\n" + last_command + "\n");
    std::filesystem::permissions(folder_ / "gnuplot", std::filesystem::perms::owner_all);
  }
  std::string commands() const { return folder_.read("commands"); }

 private:
  TemporaryFolder folder_;
  SearchPath search_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const Plot line_plot{"it's", "n",
                     "ms",   true,
                     false,  {{"a", {1, 10}, {2, std::nan("")}, {}}, {"b", {3}, {4}, {0.5}}}};
const Plot bar_plot{"bars",
                    "",
                    "%",
                    false,
                    false,
                    {{"a", {}, {1, 2}, {}}, {"b", {}, {3, 4}, {0.1, 0.2}}},
                    {"n = 3", "n = 5"}};

// Images of one pixel: bright if the label is 1.
ImageSet dots(const Indices& labels) {
  ImageSet set{uninitialized<std::uint8_t>({labels.size(), 1, 1, 1}), labels};
  for (std::size_t i = 0; i < labels.size(); ++i)
    set.pixels(i, 0, 0, 0) = std::uint8_t(200 * labels(i));
  return set;
}

}  // namespace

TEST_CASE("what gnuplot is told of a line plot") {
  const TemporaryFolder folder;
  const PretendedGnuplot gnuplot;
  std::ostringstream messages;
  CHECK(draw({line_plot}, folder / "p.png", messages));
  CHECK(messages.str() == "");
  CHECK(std::filesystem::exists(folder / "p.png"));
  const std::string commands = gnuplot.commands();
  CHECK(contains(commands, "size 900,480\n"));
  CHECK(contains(commands, "set title 'it''s'"));
  CHECK(contains(commands, "set logscale x\n"));
  CHECK_FALSE(contains(commands, "set logscale y\n"));
  CHECK(contains(commands, "$series0 << END_OF_SERIES\n1 2\n10 nan\nEND_OF_SERIES\n"));
  CHECK(contains(commands, "$series1 << END_OF_SERIES\n3 4 0.5\nEND_OF_SERIES\n"));
  CHECK(contains(commands, "$series1 using 1:2:3 with yerrorlines"));
}

TEST_CASE("bars of a group stand side by side around it") {
  const TemporaryFolder folder;
  const PretendedGnuplot gnuplot;
  CHECK(draw({bar_plot}, folder / "p.png"));
  const std::string commands = gnuplot.commands();
  CHECK(contains(commands, "('n = 3' 0, 'n = 5' 1)"));
  CHECK(contains(commands, "$series0 << END_OF_SERIES\n-0.2 1\n0.8 2\nEND_OF_SERIES\n"));
  CHECK(contains(commands, "$series1 << END_OF_SERIES\n0.2 3 0.1\n1.2 4 0.2\nEND_OF_SERIES\n"));
}

TEST_CASE("panels stand above one another, in their order") {
  const TemporaryFolder folder;
  const PretendedGnuplot gnuplot;
  CHECK(draw({{"t", "epoch", "loss", false, false, {{"training", {1, 2}, {0.5, 0.25}, {}}}},
              {"", "epoch", "%", false, false, {{"validation", {1, 2}, {50, 75}, {1, 2}}}}},
             folder / "p.png"));
  const std::string commands = gnuplot.commands();
  CHECK(contains(commands, "size 900,960\n"));
  CHECK(contains(commands, "set multiplot layout 2,1\n"));
  const std::size_t loss = commands.find("1 0.5\n2 0.25\n"),
                    accuracy = commands.find("1 50 1\n2 75 2\n");
  CHECK(loss < accuracy);
  CHECK(accuracy != std::string::npos);
}

TEST_CASE("a neighbour sheet frames right ones green and wrong ones red") {
  const TemporaryFolder folder;
  const PretendedGnuplot gnuplot;
  const ImageSet queries = dots({0, 1}), candidates = dots({1, 0});
  CHECK(draw_neighbour_sheet("t", queries, candidates, {"dark", "bright"}, {{1, {0, 1}, 0}},
                             folder / "p.png"));
  const std::string commands = gnuplot.commands();
  CHECK(contains(commands, "set label 'bright'"));
  CHECK(contains(commands, "set label 'taken for'"));
  CHECK(contains(commands, "set label 'dark'"));
  // Down the middle of the row of images, the colours from left to right.
  const std::size_t size_at = commands.find("array=(") + 7;
  const std::size_t width = std::stoul(commands.substr(size_at));
  const std::size_t height = std::stoul(commands.substr(commands.find(',', size_at) + 1));
  const std::string picture = commands.substr(commands.find("rgbimage\n") + 9);
  REQUIRE(picture.size() == 3 * width * height);
  const std::size_t row = 66 + 4 + 28;
  std::string colours;
  for (std::size_t x = 0; x < width; ++x) {
    const auto* p = reinterpret_cast<const std::uint8_t*>(picture.data()) + (row * width + x) * 3;
    const char colour = p[0] == p[1]  ? (p[0] == 255   ? ' '
                                         : p[0] == 200 ? 'b'
                                                       : 'd')
                        : p[0] > p[1] ? 'R'
                                      : 'G';
    if (colour != ' ' && (colours.empty() || colours.back() != colour)) colours += colour;
  }
  CHECK(colours == "RbRGbGRdR");  // the query, then a right neighbour and a wrong one

  CHECK(error_of([&] {
          draw_neighbour_sheet("t", queries, candidates, {"a", "b"}, {{2, {}, 0}}, "p.png");
        }) ==
        "invalid_argument: draw_neighbour_sheet: query 2 is out of range; need 0 <= query < 2");
  CHECK(error_of([&] {
          draw_neighbour_sheet("t", queries, candidates, {"a", "b"}, {{0, {-1}, 0}}, "p.png");
        }) ==
        "invalid_argument: draw_neighbour_sheet: neighbour -1 is out of range; need 0 <= neighbour "
        "< 2");
  CHECK(error_of([&] {
          draw_neighbour_sheet("t", queries, candidates, {"a"}, {{0, {0}, 0}}, "p.png");
        }) ==
        "invalid_argument: draw_neighbour_sheet: class 1 is out of range; need 0 <= class < 1");
}

TEST_CASE("a picture that cannot be drawn is told in a line, and leaves the old one") {
  const TemporaryFolder folder, empty;
  folder.write("p.png", "old");
  std::ostringstream messages;
  {
    const SearchPath nowhere(empty.path());
    CHECK_FALSE(draw({line_plot}, folder / "p.png", messages));
    CHECK(messages.str() ==
          "tapesort: no picture " + folder.path() +
              "/p.png: gnuplot is missing; install it: apt-get install gnuplot-nox\n");
  }
  messages.str("");
  {
    const PretendedGnuplot failing(
        "{ echo 'plot $x'; echo '     ^'; echo 'line 7: undefined variable: y'; } >&2; exit 1");
    CHECK_FALSE(draw({bar_plot}, folder / "p.png", messages));
    CHECK(messages.str() == "tapesort: no picture " + folder.path() +
                                "/p.png: gnuplot failed: line 7: undefined variable: y\n");
  }
  messages.str("");
  {
    const PretendedGnuplot full("printf more");  // what is left out is left out at the end
    CHECK_FALSE(draw({bar_plot}, folder / "p.png", messages));
    CHECK(messages.str() == "tapesort: no picture " + folder.path() +
                                "/p.png: gnuplot wrote only a part of it; is the disk full?\n");
  }
  CHECK(folder.read("p.png") == "old");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder.path()))
    ++files;
  CHECK(files == 1);
}

TEST_CASE("a picture is drawn whatever its name") {
  const TemporaryFolder folder;
  const PretendedGnuplot gnuplot;
  std::ostringstream messages;
  const std::string name = "it's\na \\picture.png";
  CHECK(draw({line_plot}, folder / name, messages));
  CHECK(messages.str() == "");
  CHECK(folder.read(name).size() == 12);
}

TEST_CASE("plots refuse series of unequal length") {
  Plot lines = line_plot;
  lines.series[1].y = {1, 2};
  CHECK(error_of([&] { draw({lines}, "p.png"); }) ==
        "invalid_argument: draw: series 'b' has 2 values; need 1");
  Plot bars = bar_plot;
  bars.series[1].error = {1};
  CHECK(error_of([&] { draw({bars}, "p.png"); }) ==
        "invalid_argument: draw: series 'b' has 1 error bars; need none or 2");
  CHECK(error_of([&] { draw({Plot{}}, "p.png"); }) ==
        "invalid_argument: draw: a line plot without series; need at least one");
}

TEST_CASE("gnuplot itself, where there is one, takes every kind of picture") {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) {
    MESSAGE("gnuplot is not installed: not tested");
    return;
  }
  const TemporaryFolder folder;
  std::ostringstream messages;
  const std::string file = folder / "it's a picture.png";
  const ImageSet set = dots({0, 1});
  const std::vector<std::function<bool()>> pictures{
      [&] { return draw({line_plot}, file, messages); },
      [&] { return draw({bar_plot}, file, messages); },
      [&] {
        return draw({line_plot, line_plot}, file, messages);
      },
      [&] {
        return draw_neighbour_sheet("t", set, set, {"0", "1"}, {{1, {0, 1}, 0}}, file, messages);
      },
  };
  for (const auto& picture : pictures) {
    std::filesystem::remove(file);
    CHECK(picture());
    CHECK(folder.read("it's a picture.png").substr(0, 8) == "\x89PNG\r\n\x1a\n");
  }
  CHECK(messages.str() == "");
  // a plot without a single point: gnuplot's own complaint is passed on
  CHECK_FALSE(
      draw({Plot{"", "", "", false, false, {{"none", {1}, {std::nan("")}, {}}}}}, file, messages));
  CHECK(contains(messages.str(), "gnuplot failed: line "));
}
