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

struct LinePlot {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<Series> series;
};

// One group of bars for each name, in it one bar for each series; Series::x is not used.
struct BarPlot {
  std::string title, y_label;
  std::vector<std::string> groups;
  std::vector<Series> series;
};

bool draw(const LinePlot& plot, const std::string& file, std::ostream& messages = std::cerr);
bool draw(const BarPlot& plot, const std::string& file, std::ostream& messages = std::cerr);

// Plots above one another.
bool draw(const std::vector<LinePlot>& panels, const std::string& file,
          std::ostream& messages = std::cerr);

// Losses above figures of merit (accuracies, R2; shown in percent), both over epochs; no second panel
// without the latter. std::invalid_argument when a series' x and y differ in length.
bool draw_learning_curve(const std::string& title, std::vector<Series> losses,
                         std::vector<Series> validations, const std::string& file,
                         std::ostream& messages = std::cerr);

// Any picture: a PNG of that size in pixels. Runs gnuplot on the commands, whose terminal is set
// before, and puts the picture in place once it is whole.
bool run_gnuplot(const std::string& file, std::size_t width, std::size_t height,
                 const std::string& commands, std::ostream& messages);
// A text as a string of gnuplot's language.
std::string gnuplot_text(const std::string& text);

}  // namespace tapesort
