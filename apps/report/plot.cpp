#include "apps/report/plot.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <sstream>

#include "apps/program/processes.hpp"
#include "engine/check.hpp"
#include "models/files/replace_file.hpp"

namespace tapesort {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// An open file without a name, gone when closed.
File unnamed_file() {
  File file(std::tmpfile(), std::fclose);
  if (!file) fault("no temporary file: ", std::strerror(errno));
  return file;
}

// What gnuplot said first, without its echo of the command and the caret below it.
std::string first_complaint(std::FILE* file) {
  std::rewind(file);
  char line[512];
  while (std::fgets(line, sizeof line, file)) {
    const std::string text(line, std::strcspn(line, "\n"));
    if (text.find("line ") != std::string::npos) return ": " + text.substr(text.find("line "));
  }
  return "";
}

// Runs gnuplot on a script; what it puts out goes to `picture`. The script comes in a file, not a
// pipe: writing to a pipe whose reader is gone would end us.
void run(const std::string& script, const std::string& picture) {
  const File input = unnamed_file(), complaints = unnamed_file();
  const File output(std::fopen(picture.c_str(), "wb"), std::fclose);
  if (!output || std::fwrite(script.data(), 1, script.size(), input.get()) != script.size() ||
      std::fflush(input.get()) != 0) {
    fault("gnuplot's commands: ", std::strerror(errno));
  }
  std::rewind(input.get());
  pid_t process = 0;
  const int error = start(
      {"gnuplot"}, {fileno(input.get()), fileno(output.get()), fileno(complaints.get())}, process);
  if (error == ENOENT) fault("gnuplot is missing; install it: apt-get install gnuplot-nox");
  if (error != 0) fault("gnuplot: ", std::strerror(error));
  if (status_at_end(process) != 0) fault("gnuplot failed", first_complaint(complaints.get()));
}

// gnuplot does not notice a full disk. The last chunk of a PNG file has no content.
void require_whole(const std::string& picture) {
  const std::string last("\0\0\0\0IEND\xae\x42\x60\x82", 12);
  std::ifstream in(picture, std::ios::binary);
  std::string end(last.size(), ' ');
  in.seekg(-std::streamoff(end.size()), std::ios::end);
  in.read(end.data(), std::streamsize(end.size()));
  if (!in || end != last) fault("gnuplot wrote only a part of it; is the disk full?");
}

constexpr std::size_t panel_width = 900, panel_height = 480;

// Okabe and Ito's colours, which also the colour-blind can tell apart.
const char* colour(std::size_t i) {
  constexpr const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                     "#E69F00", "#56B4E9", "#000000"};
  return colours[i % std::size(colours)];
}

// What all plots have in common: thin grey frame and grid, the legend below the plot.
void put_style(std::ostream& out, const std::string& title, const std::string& y_label) {
  out << "set border 3 lc rgb '#606060'\n"
         "set tics nomirror out scale 0.6 textcolor rgb '#303030'\n"
         "set grid ytics lt 1 lw 1 lc rgb '#E4E4E4'\n"
         "set key outside bottom center horizontal reverse Left samplen 2 height 1\n"
         "set rmargin 3\nset lmargin 11\n"  // fixed, so that panels stand in line

         "set title "
      << gnuplot_text(title) << " font ',13'\nset ylabel " << gnuplot_text(y_label) << '\n';
}

// The data block $series<i>: x, y and, if there are any, the error bars.
void put_data(std::ostream& out, std::size_t i, const std::vector<double>& x,
              const Series& series) {
  const std::size_t count = x.size();
  require(series.y.size() == count, "draw: series '", series.name, "' has ", series.y.size(),
          " values; need ", count);
  require(series.error.empty() || series.error.size() == count, "draw: series '", series.name,
          "' has ", series.error.size(), " error bars; need none or ", count);
  out << "$series" << i << " << END_OF_SERIES\n";
  for (std::size_t j = 0; j < count; ++j) {
    out << x[j] << ' ' << series.y[j];
    if (!series.error.empty()) out << ' ' << series.error[j];
    out << '\n';
  }
  out << "END_OF_SERIES\n";
}

void put_lines(std::ostream& out, const Plot& plot) {
  require(!plot.series.empty(), "draw: a line plot without series; need at least one");
  put_style(out, plot.title, plot.y_label);
  out << "set xlabel " << gnuplot_text(plot.x_label)
      << "\nset grid xtics\nunset logscale\nset format x '%g'\n"
      << "set autoscale xfix\nset offsets graph 0.02, graph 0.02, 0, 0\n";
  double smallest_x = std::numeric_limits<double>::infinity();
  std::ostringstream plots;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    put_data(out, i, series.x, series);
    for (const double x : series.x) smallest_x = std::min(smallest_x, x);
    // Points that stand close together would hide their line.
    const char* style = !series.error.empty()   ? " using 1:2:3 with yerrorlines"
                        : series.x.size() <= 40 ? " using 1:2 with linespoints"
                                                : " using 1:2 with lines";
    plots << (i ? ", " : "plot ") << "$series" << i << style << " lw 2 pt 7 ps 0.8 lc rgb '"
          << colour(i) << "' title " << gnuplot_text(series.name);
  }
  if (plot.log_x) out << "set logscale x\n";
  if (plot.log_x && smallest_x >= 1) out << "set format x '%.0s%c'\n";  // 100, 1k, 1M
  if (plot.log_y) out << "set logscale y\n";
  out << plots.str() << '\n';
}

// Group g stands at x = g; its bars share 0.8 of the distance between groups.
void put_bars(std::ostream& out, const Plot& plot) {
  require(!plot.series.empty(), "draw: a bar plot without series; need at least one");
  const double width = 0.8 / double(plot.series.size());
  std::ostringstream bars, errors;
  put_style(out, plot.title, plot.y_label);
  out << "set style fill solid 0.9 noborder\nset boxwidth " << 0.92 * width
      << "\nset xrange [-0.6:" << double(plot.groups.size()) - 0.4
      << "]\nset yrange [0:*]\nset offsets 0, 0, graph 0.03, 0\nset xtics scale 0 (";
  for (std::size_t g = 0; g < plot.groups.size(); ++g) {
    out << (g ? ", " : "") << gnuplot_text(plot.groups[g]) << ' ' << g;
  }
  out << ")\n";
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const Series& series = plot.series[i];
    const double shift = (double(i) - 0.5 * double(plot.series.size() - 1)) * width;
    std::vector<double> x(plot.groups.size());
    std::iota(x.begin(), x.end(), shift);
    put_data(out, i, x, series);
    bars << (i ? ", " : "plot ") << "$series" << i << " using 1:2 with boxes lc rgb '" << colour(i)
         << "' title " << gnuplot_text(series.name);
    if (!series.error.empty()) {
      // flat-headed arrows: gnuplot's own error bars put a white dot on the bar
      errors << ", $series" << i
             << " using 1:($2 - $3):(0):(2 * $3) with vectors heads size screen 0.004,90 lw 1.5 "
                "lc rgb '#303030' notitle";
    }
  }
  out << bars.str() << errors.str() << '\n';
}

}  // namespace

std::string gnuplot_text(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';  // twice stands for once
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "'";
}

bool run_gnuplot(const std::string& file, std::size_t width, std::size_t height,
                 const std::string& commands, std::ostream& messages) {
  try {
    replace_file(file, [&](const std::string& temporary) {
      run(to_message("set terminal pngcairo noenhanced font 'DejaVu Sans,11' size ", width, ",",
                     height, "\n", commands),
          temporary);
      require_whole(temporary);
    });
    return true;
  } catch (const std::exception& error) {
    messages << "tapesort: no picture " << file << ": " << error.what() << '\n';
    return false;
  }
}

bool draw(const std::vector<Plot>& panels, const std::string& file, std::ostream& messages) {
  std::ostringstream out;
  out.precision(10);
  out << "set multiplot layout " << panels.size() << ",1\n";
  for (const Plot& panel : panels) {
    panel.groups.empty() ? put_lines(out, panel) : put_bars(out, panel);
  }
  out << "unset multiplot\n";
  return run_gnuplot(file, panel_width, panel_height * panels.size(), out.str(), messages);
}

}  // namespace tapesort
