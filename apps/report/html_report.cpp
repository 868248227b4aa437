#include "apps/report/html_report.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "apps/report/printed.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

constexpr const char* style =
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60em;"
    "margin:2em auto;padding:0 1em}td,th{text-align:left;padding:.1em 1.5em .1em 0;"
    "vertical-align:top}svg{width:100%;height:auto}img{max-width:100%}"
    "figure{display:inline-block;margin:0 1em 1em 0}"
    "text{fill:currentColor;font-size:12px}.axis{stroke:currentColor;stroke-opacity:.3}";
constexpr const char* colours[] = {"#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

std::string base64(const std::string& bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned word = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      word = word << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : digits[word >> (18 - 6 * k) & 63];
    }
  }
  return out;
}

std::string table(const nlohmann::json& object) {
  std::string rows, below;
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      below += "<h2>" + escaped(key) + "</h2>\n" + table(value);
    } else {
      rows += "<tr><th>" + escaped(key) + "</th><td>" +
              escaped(value.is_string() ? value.get<std::string>() : text_of(value)) +
              "</td></tr>\n";
    }
  }
  return "<table>\n" + rows + "</table>\n" + below;
}

// The least and the largest finite value of x or y of all series.
std::pair<double, double> range(const Plot& plot, std::vector<double> Series::*axis) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& series : plot.series) {
    for (const double value : series.*axis) {
      if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
    }
  }
  if (!(low <= high)) return {0, 1};
  return low < high ? std::make_pair(low, high) : std::make_pair(low - 0.5, high + 0.5);
}

std::string svg(const Plot& plot) {
  const auto [x_low, x_high] = range(plot, &Series::x);
  const auto [y_low, y_high] = range(plot, &Series::y);
  const auto across = [=, low = x_low, high = x_high](double x) {
    return 60 + 620 * (x - low) / (high - low);
  };
  const auto up = [=, low = y_low, high = y_high](double y) {
    return 250 - 220 * (y - low) / (high - low);
  };
  std::string out = "<svg viewBox=\"0 0 700 290\" role=\"img\" aria-label=\"" +
                    escaped(plot.y_label) + "\">\n<text x=\"60\" y=\"18\">" +
                    escaped(plot.y_label) +
                    "</text>\n<path class=\"axis\" fill=\"none\" d=\"M60 30V250H680\"/>\n";
  for (const double y : {y_low, y_high}) {
    out += printed("<text x=\"55\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", up(y) + 4, y);
  }
  for (const double x : {x_low, x_high}) {
    out += printed("<text x=\"%.1f\" y=\"266\" text-anchor=\"middle\">%.4g</text>\n", across(x), x);
  }
  out += "<text x=\"370\" y=\"266\" text-anchor=\"middle\">" + escaped(plot.x_label) + "</text>\n";
  for (std::size_t s = 0; s < plot.series.size(); ++s) {
    const Series& series = plot.series[s];
    const char* colour = colours[s % std::size(colours)];
    std::string points;
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      if (!std::isfinite(series.y[i])) continue;
      points += printed("%.1f,%.1f ", across(series.x[i]), up(series.y[i]));
    }
    out += printed("<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"%s\" points=\"", colour) +
           points + "\"/>\n" +
           printed("<text x=\"%zu\" y=\"284\" style=\"fill:%s\">", 60 + 130 * s, colour) +
           escaped(series.name) + "</text>\n";
  }
  return out + "</svg>\n";
}

std::string svg(const MatrixPlot& matrix) {
  const std::size_t rows = matrix.values.shape(0), columns = matrix.values.shape(1);
  std::string out = printed("<svg viewBox=\"0 -2 %zu %zu\" style=\"width:10em\" role=\"img\">\n",
                            10 * columns, 10 * rows + 2);
  for (std::size_t i = 0; i < matrix.values.size(); ++i) {
    out += printed(
        "<rect x=\"%zu\" y=\"%zu\" width=\"9\" height=\"9\" fill=\"%s\" fill-opacity=\"%.2f\"/>\n",
        10 * (i % columns), 10 * (i / columns), colours[0], double(matrix.values.data()[i]));
  }
  return "<figure>" + out + "</svg><figcaption>" + escaped(matrix.title) +
         "</figcaption></figure>\n";
}

}  // namespace

std::string html_report(const std::string& title, const nlohmann::json& row,
                        const std::vector<Plot>& plots, const std::vector<MatrixPlot>& matrices,
                        const std::vector<std::string>& pictures) {
  std::string out = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<title>" +
                    escaped(title) + "</title>\n<style>" + style + "</style>\n<h1>" +
                    escaped(title) + "</h1>\n";
  for (const Plot& plot : plots) out += svg(plot);
  for (const MatrixPlot& matrix : matrices) out += svg(matrix);
  out += table(row);
  for (const std::string& file : pictures) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    if (bytes.empty()) continue;
    out += "<p><img alt=\"\" src=\"data:image/png;base64," + base64(bytes) + "\">\n";
  }
  return out + "</html>\n";
}

}  // namespace tapesort
