// Sums that are known without knowing a method: rows of a relaxed permutation are distributions, and
// a function that no common offset of the scores changes has a gradient that sums to zero. And a
// set's result is its own: it does not depend on its place in a batch, nor on the number of threads
// (a gradient up to the order of its sums).
#include <numeric>

#include "engine/threads.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/sorting/permutation.hpp"
#include "properties.hpp"
#include "set_rows.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

constexpr std::size_t most = 40;

// Grid numbers, among them zeros and ties, with a few that are far out or nearly nothing.
template <class T> rc::Gen<double> wild_number() {
  using Limits = std::numeric_limits<T>;
  return rc::gen::weightedOneOf<double>(
      {{6, grid_number()},
       {1, rc::gen::element(0.0, 1e30, -1e30, 1e5, -1e5, double(Limits::min()),
                            -double(Limits::denorm_min()), double(Limits::max()) / 1e4)}});
}

// Half a set's sum of rounding errors, for elements that sum to one.
template <class T> double rounding(std::size_t n) {
  return 8 * double(std::numeric_limits<T>::epsilon()) * double(n + 8);
}

template <class T> Var<T> apply(const SetRow& row, const Array<T>& scores, double tau) {
  return row.f<T>()(constant(scores), T(tau));
}

template <class T> void check_row_sums() {
  for (const SetRow& row : set_rows()) {
    const bool doubly = row.name.find("lap_sum") == 0 || row.name.find("odd_even") == 0 ||
                        row.name.find("bitonic") == 0;
    if (row.kind != Kind::matrix && row.name != "softmax") continue;
    check_property(row.name + ", " + type_name<T>(), [&] {
      const Array<T> scores = array_of<T>(*numbers(wild_number<T>(), most));
      const double tau = *rc::gen::element(1e-3, 0.1, 1.0, 10.0);
      const Array<T> P_hat = apply(row, scores, tau).value();
      const double error = stochastic_error(P_hat);
      const double by_columns = doubly ? stochastic_error(P_hat, -2) : 0;
      if (!(error <= rounding<T>(scores.size()))) {
        fail_case("of ", list(scores), " at tau ", tau, " the rows' error is ", error);
      }
      if (!(by_columns <= rounding<T>(scores.size()))) {
        fail_case("of ", list(scores), " at tau ", tau, " the columns' error is ", by_columns);
      }
    });
  }
}

// sum_j sbar_j is what the result gains when all scores gain 1: nothing for items and matrices, the
// cotangent's sum for values.
template <class T> void check_gradient_sums() {
  const auto check = [](const auto& f, const Array<T>& scores, double tau, bool gains) {
    double gained = 0;
    const auto y = evaluate<T>([&](const Inputs<T>& x) { return f(x[0], tau); }, {scores},
                               [&](const Shape& shape) {
                                 const Array<T> u = some_cotangent<T>(shape);
                                 if (gains) {
                                   gained = std::accumulate(u.data(), u.data() + u.size(), 0.0);
                                 }
                                 return u;
                               });
    double total = 0, size = 1 / tau;
    for (const T g : y.gradients[0]) total += double(g), size += std::abs(double(g));
    if (!(std::abs(total - gained) <= rounding<T>(scores.size()) * size)) {
      fail_case("the gradient of ", list(scores), " at tau ", tau, " sums to ", total, ", not to ",
                gained, ": ", list(y.gradients[0]));
    }
  };
  for (const SetRow& row : set_rows()) {
    check_property(row.name + ", " + type_name<T>(), [&] {
      const Array<T> scores = array_of<T>(*numbers(grid_number(), most));
      const double tau = *rc::gen::element(0.0625, 0.25, 1.0, 4.0, 16.0);
      const bool gains = row.kind == Kind::places || row.kind == Kind::number;
      check([&](const Var<T>& s, double t) { return row.f<T>()(s, T(t)); }, scores, tau, gains);
    });
  }
  check_property(std::string("PlackettLuce::log_prob, ") + type_name<T>(), [&] {
    const Array<T> scores = array_of<T>(*numbers(wild_number<T>(), most));
    check(
        [&](const Var<T>& s, double) {
          return PlackettLuce<T>(s).log_prob(argsort(Generator(3).normal<T>(s.shape())));
        },
        scores, 1, false);
  });
}

template <class T> void check_batches() {
  for (const SetRow& row : set_rows()) {
    check_property(row.name + ", " + type_name<T>(), [&] {
      const auto n = *rc::gen::inRange<std::size_t>(1, most);
      const auto sets = *rc::gen::inRange<std::size_t>(1, 12);
      const Array<T> scores =
          with_shape(array_of<T>(*numbers(grid_number(), sets * n, sets * n)), {sets, n});
      const auto run = [&](const Array<T>& x) {
        return evaluate<T>([&](const Inputs<T>& leaves) { return row.f<T>()(leaves[0], T(0.5)); },
                           {x}, [](const Shape& shape) { return full<T>(shape, T(0.75)); });
      };
      const Evaluated<T> together = run(scores);
      const std::size_t size = together.value.size() / sets;
      for (std::size_t i = 0; i < sets; ++i) {
        Array<T> set = uninitialized<T>({n});
        std::copy_n(scores.data() + i * n, n, set.data());
        const Evaluated<T> alone = run(set);
        if (!std::equal(alone.value.data(), alone.value.data() + size,
                        together.value.data() + i * size, same_number<T>)) {
          fail_case("set ", i, " of ", sets, " has another result than alone");
        }
        Array<T> gradient = uninitialized<T>({n});
        std::copy_n(together.gradients[0].data() + i * n, n, gradient.data());
        if (!(distance(convert<double>(gradient), convert<double>(alone.gradients[0])) <=
              rounding<T>(n))) {
          fail_case("set ", i, " of ", sets, " has the gradient ", list(gradient), ", alone ",
                    list(alone.gradients[0]));
        }
      }
    });
  }
}

}  // namespace

TEST_CASE("property: rows of a relaxed permutation sum to one, at extremes and ties, too") {
  check_row_sums<float>();
  check_row_sums<double>();
}

TEST_CASE("property: the gradient sums to zero where a common offset changes nothing") {
  check_gradient_sums<float>();
  check_gradient_sums<double>();
}

TEST_CASE("property: a set's result does not depend on its batch or on the number of threads") {
  const int before = threads();
  for (const int count : {1, 3}) {  // a set alone is not worth a second thread
    CAPTURE(count);
    set_threads(count);
    check_batches<float>();
    check_batches<double>();
  }
  set_threads(before);
}
