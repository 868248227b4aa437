// What the property tests share: how a property is checked, and what its cases are drawn from.
//
// A property is a function that draws a case (*generator), and asserts (RC_ASSERT, fail_case).
// A case that fails is made as small as it gets before it is printed.
#pragma once

#include <doctest/doctest.h>
#include <rapidcheck.h>  // Debian package librapidcheck-dev

#include <cstdlib>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "op_table.hpp"

namespace tapesort::testing {

// The seed is fixed, so that every run sees the same cases. To look at others:
//     RC_PARAMS="seed=7 max_success=1000" build/tests/tapesort_tests --test-case="property*"
template <class Property> void check_property(const std::string& name, const Property& property) {
  setenv("RC_PARAMS", "seed=2019 max_success=200", /*overwrite=*/0);
  const rc::detail::TestResult result =
      rc::detail::checkTestable(property, rc::detail::TestMetadata{name, name});
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  CHECK_MESSAGE(result.is<rc::detail::SuccessResult>(), name << ": " << text.str());
}

// Fails the case, with the parts as its message (engine/check.hpp).
template <class... Parts> void fail_case(const Parts&... parts) { RC_FAIL(to_message(parts...)); }

template <class T> const char* type_name() {
  return std::is_same<T, float>::value ? "float" : "double";
}

// --- generators: numbers as double, exact in T

// Multiples of 1/64 in -8 .. 8: sums and differences of a few are exact in float, and ties are
// common.
inline rc::Gen<double> grid_number() {
  return rc::gen::map(rc::gen::inRange(-512, 513), [](int k) { return k / 64.0; });
}

// Anything: grid numbers; where exponentials overflow and underflow; zeros, denormals, infinities;
// nearly the largest.
template <class T> rc::Gen<double> any_number() {
  using Limits = std::numeric_limits<T>;
  const double infinity = std::numeric_limits<double>::infinity();
  const int overflow = std::is_same<T, float>::value ? 110 : 760;
  const std::vector<double> extremes{0.0,
                                     -0.0,
                                     1e30,
                                     -1e30,
                                     double(Limits::min()),
                                     -double(Limits::min()),
                                     double(Limits::denorm_min()),
                                     -double(Limits::denorm_min()),
                                     double(Limits::min()) / 4,
                                     double(Limits::epsilon()),
                                     double(Limits::max()) / 4,
                                     -double(Limits::max()) / 4,
                                     double(Limits::max()),
                                     double(Limits::lowest()),
                                     infinity,
                                     -infinity};
  return rc::gen::weightedOneOf<double>(
      {{4, grid_number()},
       {3, rc::gen::map(rc::gen::inRange(-overflow * 64, overflow * 64 + 1),
                        [](int k) { return k / 64.0; })},
       {3, rc::gen::elementOf(extremes)}});
}

// 1 .. most numbers; with `least`, at least so many.
inline rc::Gen<std::vector<double>> numbers(rc::Gen<double> number, std::size_t most,
                                            std::size_t least = 1) {
  return rc::gen::mapcat(rc::gen::inRange<std::size_t>(least, most + 1), [number](std::size_t n) {
    return rc::gen::container<std::vector<double>>(n, number);
  });
}

// --- arrays

template <class T> Array<T> array_of(const std::vector<double>& x) {
  Array<T> y = uninitialized<T>({x.size()});
  for (std::size_t i = 0; i < x.size(); ++i) y.data()[i] = T(x[i]);
  return y;
}

// The numbers, with all their digits.
template <class T> std::string list(const Array<T>& x) {
  std::ostringstream text;
  text.precision(std::numeric_limits<T>::max_digits10);
  for (std::size_t i = 0; i < x.size(); ++i) text << (i ? " " : "") << x.data()[i];
  return text.str();
}

// Multiples of 1/8 in -1 .. 1, none of them zero: a cotangent in which no two neighbours agree.
template <class T> Array<T> some_cotangent(const Shape& shape) {
  Array<T> u = uninitialized<T>(shape);
  for (std::size_t i = 0; i < u.size(); ++i) {
    const int k = int(i * 7 % 16) - 8;
    u.data()[i] = T(k < 0 ? k : k + 1) / T(8);
  }
  return u;
}

// The value of an operator and the gradients of <value, cotangent>, one for each input.
template <class T> struct Evaluated {
  Array<T> value;
  std::vector<Array<T>> gradients;
};
// `cotangent` maps the value's shape to the cotangent.
template <class T, class Op, class Cotangent>
Evaluated<T> evaluate(const Op& op, const std::vector<Array<T>>& inputs,
                      const Cotangent& cotangent) {
  Tape<T> tape;
  Inputs<T> leaves;
  for (const Array<T>& x : inputs) leaves.push_back(tape.leaf(x));
  const Var<T> y = op(leaves);
  if (y.needs_grad()) tape.backward(y, cotangent(y.shape()));
  Evaluated<T> result{y.value(), {}};
  for (const Var<T>& leaf : leaves) result.gradients.push_back(leaf.grad());
  return result;
}

// The same number: the same bits, or both NaN.
template <class T> bool same_number(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}
template <class T> bool same_numbers(const Array<T>& a, const Array<T>& b) {
  return a.shape() == b.shape() &&
         std::equal(a.data(), a.data() + a.size(), b.data(), same_number<T>);
}

}  // namespace tapesort::testing
