// Float agrees with double at the same numbers, to bounds that are stated:
//   elementwise   8 units in the last place of each result, and of each gradient, taken by itself:
//                 a small number keeps its digits. Results below the normal numbers may be 0.
//   sets          1e-6 of the largest number, and what rounding the exponents costs: an exponent z
//                 that is a unit in its last place off changes e^z by |z| epsilon. Exponents are at
//                 most the spread of the scores in units of tau; n times that in NeuralSort, and in
//                 networks, which round once a layer
#include "elementwise_rows.hpp"
#include "properties.hpp"
#include "set_rows.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

constexpr double epsilon = std::numeric_limits<float>::epsilon();

// As a float, x is y up to so many units in the last place.
bool agrees(float x, double y, double units) {
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  const double largest = std::numeric_limits<float>::max();
  const double smallest = std::numeric_limits<float>::min();
  if (std::isinf(x)) return (x > 0) == (y > 0) && std::abs(y) * (1 + units * epsilon) > largest;
  return std::abs(double(x) - y) <= units * epsilon * std::abs(y) + smallest;
}

}  // namespace

TEST_CASE("property: elementwise, float is double's result up to 8 units in the last place") {
  for (const ElementwiseRow& row : elementwise_rows()) {
    check_property(row.name, [&] {
      auto x = *numbers(any_number<float>(), row.inputs, row.inputs);
      std::vector<Array<float>> in_float;
      std::vector<Array<double>> in_double;
      for (double& number : x) {
        in_float.push_back(full<float>({20}, float(number)));
        in_double.push_back(full<double>({20}, double(float(number))));
      }
      const auto f = evaluate<float>(row.f<float>(), in_float, some_cotangent<float>);
      const auto d = evaluate<double>(row.f<double>(), in_double, some_cotangent<double>);
      // All elements are alike, so each lane and each place of the tail is looked at.
      for (std::size_t i = 0; i < 20; ++i) {
        if (!agrees(f.value.data()[i], d.value.data()[i], 8)) {
          fail_case("the value at place ", i, " is ", f.value.data()[i], ", in double ",
                    d.value.data()[i]);
        }
        for (std::size_t k = 0; k < row.inputs; ++k) {
          const float slope = f.gradients[k].data()[i];
          // Where double alone has a finite value, the formula of the slope is that of another.
          if (std::isfinite(f.value.data()[i]) && !agrees(slope, d.gradients[k].data()[i], 8)) {
            fail_case("the gradient at place ", i, " is ", slope, ", in double ",
                      d.gradients[k].data()[i]);
          }
        }
      }
    });
  }
}

TEST_CASE("property: sets, float is double's result up to the rounding of its exponents") {
  for (const SetRow& row : set_rows()) {
    check_property(row.name, [&] {
      const auto s = *numbers(grid_number(), 40);
      const double tau = *rc::gen::element(0.25, 1.0, 4.0, 16.0);
      const double offset = *rc::gen::element(0.0, 1.0, -64.0);
      const auto run = [&](auto type) {
        using T = decltype(type);
        return evaluate<T>([&](const Inputs<T>& x) { return row.f<T>()(x[0], T(tau)); },
                           {Array<T>(array_of<T>(s) + T(offset))}, some_cotangent<T>);
      };
      const auto f = run(float());
      const auto d = run(double());
      const auto [low, high] = std::minmax_element(s.begin(), s.end());
      double exponent = (*high - *low) / tau;
      if (is_network(row) || row.name.find("neural_sort") == 0) exponent *= double(s.size());
      if (row.name.find("power 2") != std::string::npos) exponent *= exponent;
      if (row.name.find("power 3") != std::string::npos) exponent *= exponent * exponent;
      const double bound = 1e-6 + 4 * epsilon * exponent;
      const double value = distance(convert<double>(f.value), d.value);
      const double gradient = distance(convert<double>(f.gradients[0]), d.gradients[0]);
      if (!(value <= bound)) {
        fail_case("the value differs by ", value, ", bound ", bound, ": ", list(f.value),
                  ", in double ", list(d.value));
      }
      // A slope is in units of 1 / tau, and a sum over the items.
      if (!(gradient <= bound * double(s.size()) * std::max(1.0, 1 / tau))) {
        fail_case("the gradient differs by ", gradient, ", bound ", bound, ": ",
                  list(f.gradients[0]), ", in double ", list(d.gradients[0]));
      }
    });
  }
}
