#include "engine/gradcheck.hpp"

#include <cmath>
#include <cstdio>
#include <numeric>

#include "engine/check.hpp"

namespace tapesort {
namespace {

double inner(const Array<double>& a, const Array<double>& b) {
  return std::inner_product(a.data(), a.data() + a.size(), b.data(), 0.0);
}

}  // namespace

bool GradcheckReport::ok() const {
  return std::all_of(rows.begin(), rows.end(), [](const GradcheckRow& row) { return row.ok; });
}

std::string GradcheckReport::text() const {
  std::string text =
      "input  shape            analytic <J'u,v>         numeric <u,Jv>  relative error\n";
  for (const GradcheckRow& row : rows) {
    char line[160];
    std::snprintf(line, sizeof line, "%5zu  %-12s %20.12g %22.12g %15.2e%s\n", row.input,
                  to_text(row.shape).c_str(), row.analytic, row.numeric, row.relative_error,
                  row.ok                           ? ""
                  : std::isnan(row.relative_error) ? "  <-- not a number"
                                                   : "  <-- wrong");
    text += line;
  }
  return text;
}

GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Array<double>>& inputs,
                          Generator& random, const GradcheckOptions& options) {
  const auto leaves_of = [](Tape<double>& tape, const std::vector<Array<double>>& values) {
    std::vector<Var<double>> leaves;
    for (const Array<double>& value : values) leaves.push_back(tape.leaf(value));
    return leaves;
  };
  const auto evaluate = [&](const std::vector<Array<double>>& at) {
    Tape<double> tape(Recording::off);
    return f(tape, leaves_of(tape, at)).value();
  };

  Tape<double> tape;
  const std::vector<Var<double>> leaves = leaves_of(tape, inputs);
  const Var<double> result = f(tape, leaves);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double y = result.value().data()[i];
    require(std::isfinite(y), "gradcheck: the result of f, of shape ", result.shape(), ", is ",
            std::isnan(y) ? "NaN" : "infinite", " at position ", i,
            "; there is no derivative to check at these inputs");
  }
  const Array<double> again = evaluate(inputs);
  require(again.shape() == result.shape() &&
              std::equal(again.data(), again.data() + again.size(), result.value().data()),
          "gradcheck: f gives two different results for the same inputs; make every generator it "
          "uses anew from a fixed seed inside f");

  GradcheckReport report;
  // Leaf gradients of earlier sweeps: they add up.
  std::vector<Array<double>> before(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) before[i] = zeros<double>(inputs[i].shape());

  for (int direction = 0; direction < options.directions; ++direction) {
    const Array<double> u = random.normal<double>(result.shape());
    if (result.needs_grad()) tape.backward(result, u);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Array<double> total = leaves[i].grad();
      const Array<double> gradient = total - before[i];
      before[i] = total;

      const Array<double> v = random.normal<double>(inputs[i].shape());
      double largest = 1;
      for (double x : inputs[i]) largest = std::max(largest, std::abs(x));
      const double h = options.step * largest;
      const auto along = [&](double t) {
        std::vector<Array<double>> moved = inputs;
        moved[i] = inputs[i] + t * v;
        return inner(u, evaluate(moved));
      };
      const double near = along(h) - along(-h), far = along(2 * h) - along(-2 * h);

      GradcheckRow row{i,    inputs[i].shape(), inner(gradient, v), (8 * near - far) / (12 * h), 0,
                       false};
      const double scale = std::sqrt(inner(gradient, gradient) * inner(v, v)) / 1000;
      const double error = std::abs(row.analytic - row.numeric);
      const double size = std::max({std::abs(row.analytic), std::abs(row.numeric), scale});
      row.relative_error = error == 0 ? 0 : error / size;
      row.ok = row.relative_error <= options.tolerance;  // false for NaN
      report.rows.push_back(row);
    }
  }
  std::stable_sort(report.rows.begin(), report.rows.end(),
                   [](const GradcheckRow& a, const GradcheckRow& b) { return a.input < b.input; });
  return report;
}

}  // namespace tapesort
