// A score of -1e30 masks an item: whatever else is computed does not notice how far out it is. What
// holds for operators on sets that have one item more is in properties_sorting_test.cpp; here is
// the rest.
#include "ops/distances.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/sorting/sinkhorn.hpp"
#include "properties.hpp"
#include "set_rows.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

template <class T> constexpr double bound = std::is_same<T, float>::value ? 1e-5 : 1e-9;

template <class T>
void require_near(const char* what, const Array<T>& a, const Array<double>& b, double tolerance) {
  const double difference = distance(convert<double>(a), b);
  if (difference <= tolerance) return;
  fail_case(what, " differs by ", difference, ": ", list(a), " instead of ", list(b));
}

// A masked item still takes part in a network, and swaps that never saturate mix some of it into the
// values: near 1 - alpha = c / d of a gap d, which is c however large d is. So the reference is
// the same network in double with the mask at -1e7, where 1 - alpha is below 1e-6 and d rounds by
// 1e-9.
template <class T> void check_networks() {
  for (const SetRow& row : set_rows()) {
    if (row.keeps.mask || (row.name.find("odd_even") != 0 && row.name.find("bitonic") != 0))
      continue;
    check_property(row.name + ", " + type_name<T>(), [&] {
      auto s = *numbers(grid_number(), 12, 2);
      const std::size_t n = s.size();
      const auto masked = *rc::gen::inRange<std::size_t>(0, n);
      const auto run = [&](auto type, double mask) {
        using U = decltype(type);
        s[masked] = mask;
        return evaluate<U>([&](const Inputs<U>& x) { return row.f<U>()(x[0], U(0.25)); },
                           {array_of<U>(s)},
                           [&](const Shape& shape) {
                             Array<U> u = some_cotangent<U>(shape);
                             // nothing asks for the last place
                             for (std::size_t i = u.size() / n * (n - 1); i < u.size(); ++i) {
                               u.data()[i] = 0;
                             }
                             return u;
                           });
      };
      auto far = run(T(), -1e30);
      auto near = run(double(), -1e7);
      for (std::size_t i = far.value.size() / n * (n - 1); i < far.value.size(); ++i) {
        far.value.data()[i] = 0, near.value.data()[i] = 0;
      }
      far.gradients[0].data()[masked] = 0, near.gradients[0].data()[masked] = 0;
      require_near("the first places' result", far.value, near.value, 1e-5);
      require_near("the others' gradient", far.gradients[0], near.gradients[0], 1e-5);
    });
  }
}

template <class T> void check_plackett_luce() {
  check_property(std::string("log_prob, ") + type_name<T>(), [] {
    const auto s = *numbers(grid_number(), 12);
    const auto masks = *rc::gen::inRange<std::size_t>(1, 5);
    const std::size_t n = s.size();
    auto masked = s;
    masked.insert(masked.end(), masks, -1e30);
    const auto run = [&](auto type, const std::vector<double>& scores, std::size_t places) {
      using U = decltype(type);
      Indices order = uninitialized<Index>({places});
      for (std::size_t i = 0; i < places; ++i) order.data()[i] = Index(i < n ? n - 1 - i : i);
      return evaluate<U>([&](const Inputs<U>& x) { return PlackettLuce<U>(x[0]).log_prob(order); },
                         {array_of<U>(scores)},
                         [](const Shape& shape) { return full<U>(shape, U(1)); });
    };
    const auto alone = run(double(), s, n);
    Array<double> gradient = zeros<double>({n + masks});
    std::copy_n(alone.gradients[0].data(), n, gradient.data());
    const auto among = run(T(), masked, n);
    require_near("the log-probability of the others' order", among.value, alone.value, bound<T>);
    require_near("its gradient", among.gradients[0], gradient, bound<T>);
    // Then the masked items, of which each is as likely as any other.
    const auto all = run(T(), masked, n + masks);
    require_near("the log-probability of a whole order", all.value,
                 Array<double>(alone.value - std::lgamma(double(masks) + 1)), bound<T>);
  });
}

template <class T> void check_sinkhorn() {
  check_property(std::string("sinkhorn, ") + type_name<T>(), [] {
    const auto n = *rc::gen::inRange<std::size_t>(2, 10);
    auto s = *numbers(grid_number(), n * n, n * n);
    const auto masked = *rc::gen::inRange<std::size_t>(0, n * n);
    const auto run = [&](auto type, double mask) {
      using U = decltype(type);
      s[masked] = mask;
      return evaluate<U>([&](const Inputs<U>& x) { return sinkhorn(x[0], 0.5); },
                         {with_shape(array_of<U>(s), {n, n})}, some_cotangent<U>);
    };
    const auto far = run(T(), -1e30);
    const auto near = run(double(), -1e5);
    require_near("P_hat", far.value, near.value, bound<T>);
    require_near("the gradient", far.gradients[0], near.gradients[0], bound<T>);
  });
}

template <class T> void check_distances() {
  check_property(std::string("squared_distances, ") + type_name<T>(), [] {
    const auto d = *rc::gen::inRange<std::size_t>(1, 20);
    const auto c = *rc::gen::inRange<std::size_t>(1, 40);
    const auto outlier = *rc::gen::inRange<std::size_t>(0, c);
    const T far = T(*rc::gen::element(1e4, -1e10, 1e18));  // its square is finite in float, too
    const Array<T> queries = with_shape(array_of<T>(*numbers(grid_number(), 5 * d, 5 * d)), {5, d});
    Array<T> candidates = with_shape(array_of<T>(*numbers(grid_number(), c * d, c * d)), {c, d});
    Array<double> expected = zeros<double>({5, c});
    for (std::size_t i = 0; i < 5; ++i) {
      for (std::size_t j = 0; j < c; ++j) {
        for (std::size_t k = 0; k < d && j != outlier; ++k) {
          const double difference = double(queries(i, k)) - double(candidates(j, k));
          expected(i, j) += difference * difference;
        }
      }
    }
    for (std::size_t k = 0; k < d; ++k) candidates(outlier, k) = far;
    Array<T> y = squared_distances(constant(queries), constant(candidates)).value();
    for (std::size_t i = 0; i < 5; ++i) y(i, outlier) = 0;
    require_near("beside an outlier, a distance", y, expected, bound<T>);
  });
}

}  // namespace

TEST_CASE("property: a network does not notice how far out a masked item is") {
  check_networks<float>();
  check_networks<double>();
}

TEST_CASE("property: Plackett-Luce's masked items come last, in every order alike") {
  check_plackett_luce<float>();
  check_plackett_luce<double>();
}

TEST_CASE("property: a masked logit takes no part in sinkhorn") {
  check_sinkhorn<float>();
  check_sinkhorn<double>();
}

TEST_CASE("property: an outlier among the candidates changes no other squared distance") {
  check_distances<float>();
  check_distances<double>();
}
