// The table of operators under test. One row: a name, the shapes of the inputs, where to draw them
// from, and the operator as a generic lambda. Every row is put through the same checks:
//   - gradcheck in double, element by element where it is small, for every input;
//   - float's value and gradients against double's;
//   - run again and again on two threads, it stops taking new memory.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/print.hpp"
#include "engine/random.hpp"
#include "engine/threads.hpp"
#include "gradcheck/vars.hpp"
#include "relative_distance.hpp"

namespace tapesort::testing {

template <class T> using Inputs = std::vector<Var<T>>;

// How the elements of an input are drawn.
using Draw = std::function<Array<double>(Generator&, const Shape&)>;

inline Array<double> anywhere(Generator& random, const Shape& shape) {
  return random.normal<double>(shape);
}
inline Array<double> positive(Generator& random, const Shape& shape) {
  return random.uniform<double>(shape, 0.5, 2.0);
}
// Distinct values, neighbours 0.1 apart, in random order: nothing is near a tie or near zero.
inline Array<double> distinct(Generator& random, const Shape& shape) {
  Array<double> x = uninitialized<double>(shape);
  const Indices order = random.permutation(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x.data()[i] = 0.1 * (double(order.data()[i]) - double(x.size()) / 2) + 0.05;
  }
  return x;
}

// A generic lambda as a function in either type.
template <template <class> class Signature> struct InBothTypes {
  template <class F> explicit InBothTypes(F f) : f64(f), f32(f) {}

  template <class T> const auto& f() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32;
    } else {
      return f64;
    }
  }

  std::function<Signature<double>> f64;
  std::function<Signature<float>> f32;
};
template <class T> using OfInputs = Var<T>(const Inputs<T>&);

struct OpRow : InBothTypes<OfInputs> {
  template <class F>
  OpRow(std::string name, std::vector<Shape> shapes, Draw draw, F op)
      : InBothTypes(op), name(std::move(name)), shapes(std::move(shapes)), draw(std::move(draw)) {}

  std::string name;
  std::vector<Shape> shapes;
  Draw draw;
  double float_tolerance = 1e-5;  // of the largest element, and at least of 1
};

namespace detail {

// The value of an operator, and the gradients of <value, weights>.
template <class T>
std::vector<Array<double>> value_and_gradients(const std::function<Var<T>(const Inputs<T>&)>& op,
                                               const std::vector<Array<double>>& at,
                                               const Array<double>& weights) {
  Tape<T> tape;
  Inputs<T> leaves;
  for (const Array<double>& x : at) leaves.push_back(tape.leaf(convert<T>(x)));
  const Var<T> y = op(leaves);
  if (y.needs_grad()) tape.backward(y, convert<T>(weights));
  std::vector<Array<double>> results{convert<double>(y.value())};
  for (const Var<T>& leaf : leaves) results.push_back(convert<double>(leaf.grad()));
  return results;
}

}  // namespace detail

// So many threads while one lives.
class Threads {
 public:
  explicit Threads(int count) : before_(threads()) { set_threads(count); }
  ~Threads() { set_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// Whether `step` becomes one that takes no block of memory from the system: 200 such steps in a
// row, within 1,000. (How many blocks are in use at once depends on how the threads' work happens
// to overlap, so a late step may still find that it needs one more.) The thread sanitizer looks for
// races in the same steps, and has seen them all after 20.
#if defined(__SANITIZE_THREAD__)
constexpr int enough_steps = 20;
#else
constexpr int enough_steps = 200;
#endif
template <class Step> bool becomes_steady(const Step& step) {
  for (int steps = 0, steady = 0; steps < 5 * enough_steps; ++steps) {
    const std::size_t before = Storage::fresh_blocks();
    step();
    steady = Storage::fresh_blocks() == before ? steady + 1 : 0;
    if (steady == enough_steps) return true;
  }
  return false;
}

// The largest |a - b|, relative to the largest |b| (at least 1). Infinite where the shapes differ, or
// a difference is NaN.
inline double distance(const Array<double>& a, const Array<double>& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  double largest = 1, error = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double difference = std::abs(a.data()[i] - b.data()[i]);
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(b.data()[i]));
    error = std::max(error, difference);
  }
  return error / largest;
}

// Runs the row on two threads until it needs no more memory: here, where the operator may use
// both; then one run on each, whose results are freed here.
inline void check_steady(const OpRow& row) {
  if (!Storage::recycles()) return;
  CAPTURE(row.name);
  Generator random(2019);
  std::vector<Array<double>> inputs;
  for (const Shape& shape : row.shapes) inputs.push_back(row.draw(random, shape));
  Inputs<float> values;
  for (const Array<double>& x : inputs) values.push_back(constant(convert<float>(x)));
  const Array<double> weights = random.normal<double>(row.f32(values).shape());
  const Threads two(2);
  CHECK(becomes_steady([&] {
    detail::value_and_gradients(row.f32, inputs, weights);
    std::vector<std::vector<Array<double>>> results(2);
    parallel_for(2, 1, [&](std::size_t, std::size_t, std::size_t part) {
      results[part] = detail::value_and_gradients(row.f32, inputs, weights);
    });
  }));
}

inline void check_row(const OpRow& row) {
  CAPTURE(row.name);
  Generator random(2019);
  std::vector<Array<double>> inputs;
  for (const Shape& shape : row.shapes) inputs.push_back(row.draw(random, shape));

  const GradcheckReport report = gradcheck(row.f64, inputs);
  CHECK_MESSAGE(report.ok(), row.name << "\n" << report.text());

  const Shape shape = [&] {
    Tape<double> tape(Recording::off);
    Inputs<double> values;
    for (const auto& x : inputs) values.push_back(tape.constant(x));
    return row.f64(values).shape();
  }();
  const Array<double> weights = random.normal<double>(shape);
  const auto in_double = detail::value_and_gradients(row.f64, inputs, weights);
  const auto in_float = detail::value_and_gradients(row.f32, inputs, weights);
  for (std::size_t i = 0; i < in_double.size(); ++i) {
    CAPTURE(i);  // 0: the value; then the gradients
    CHECK(distance(in_float[i], in_double[i]) < row.float_tolerance);
  }
  check_steady(row);
}

inline void check_rows(const std::vector<OpRow>& rows) {
  for (const OpRow& row : rows) check_row(row);
}

// What f throws, as "type: text"; for tests of messages.
template <class F> std::string error_of(const F& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return std::string("invalid_argument: ") + e.what();
  } catch (const std::logic_error& e) {
    return std::string("logic_error: ") + e.what();
  } catch (const std::exception& e) {
    return std::string("exception: ") + e.what();
  }
  return "no error";
}

}  // namespace tapesort::testing
