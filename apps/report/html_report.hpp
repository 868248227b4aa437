// A run told in one HTML file, which needs no other file and no network: figures, settings, curves
// and matrices (SVG), pictures (PNG, inside), in light and dark.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/report/plot.hpp"
#include "engine/array.hpp"

namespace tapesort {

struct MatrixPlot {
  std::string title;
  Array<float> values;  // (rows, columns), of 0 .. 1: from nothing to full colour
};

// row: an object; its numbers and texts are listed, and those of the objects in it under their keys.
// pictures: PNG files; those that are not there are left out. Plots are of lines; their titles are
// not shown, and their axes are linear.
std::string html_report(const std::string& title, const nlohmann::json& row,
                        const std::vector<Plot>& plots, const std::vector<MatrixPlot>& matrices,
                        const std::vector<std::string>& pictures);

}  // namespace tapesort
