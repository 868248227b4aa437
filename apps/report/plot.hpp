// Line and bar plots as PNG files, drawn by the program gnuplot (Debian package gnuplot-nox). It is
// asked for only when a picture is wanted, and a picture that cannot be drawn never stops a run: then
// the result is false, after one line on `messages` that says why; an older file stays.
#pragma once

#include <iostream>
#include <string>
#include <vector>

namespace tapesort {

struct Series {
  std::string name;
  std::vector<double> x, y;   // of one length; a NaN leaves a gap
  std::vector<double> error;  // half the length of each error bar; empty: none
};

// Lines over x; or, where there are groups, bars: one group for each name, in it one bar for each
// series (Series::x is not used).
struct Plot {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<Series> series;
  std::vector<std::string> groups = {};
};

// Plots of one kind above one another. std::invalid_argument when a series' x and y differ in
// length, or a plot has no series.
bool draw(const std::vector<Plot>& panels, const std::string& file,
          std::ostream& messages = std::cerr);

// Any picture: a PNG of that size in pixels. Runs gnuplot on the commands, whose terminal is set
// before, and puts the picture in place once it is whole.
bool run_gnuplot(const std::string& file, std::size_t width, std::size_t height,
                 const std::string& commands, std::ostream& messages);
// A text as a string of gnuplot's language.
std::string gnuplot_text(const std::string& text);

}  // namespace tapesort
