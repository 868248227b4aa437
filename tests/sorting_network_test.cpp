#include "ops/sorting/sorting_network.hpp"

#include <algorithm>
#include <map>

#include "golden.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "ops/sorting/permutation.hpp"
#include "relative_distance.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

const std::map<std::string, Swap> swaps{
    {"logistic", Swap::logistic}, {"logistic_phi", Swap::logistic_phi},
    {"gaussian", Swap::gaussian}, {"reciprocal", Swap::reciprocal},
    {"cauchy", Swap::cauchy},     {"optimal", Swap::optimal}};
const std::map<std::string, Network> networks{{"odd_even", Network::odd_even},
                                              {"bitonic", Network::bitonic}};

NetworkOptions with(Network network, Swap swap, double steepness,
                    Direction direction = Direction::descending) {
  NetworkOptions options;
  options.network = network;
  options.swap = swap;
  options.steepness = steepness;
  options.direction = direction;
  return options;
}

// Values, P_hat and gradients beside those of a case of networks_wide.json, element by element.
template <class T> void check_wide(const nlohmann::json& c, double tolerance) {
  const NetworkOptions options =
      with(networks.at(c["network"]), swaps.at(c["swap"]), c["steepness"]);
  const Array<T> scores = to_array<T>(c["scores"]);
  const auto near = [&](const Array<T>& result, const std::string& field, double floor = 1e-20) {
    CAPTURE(field);
    CHECK(relative_distance(convert<double>(result), to_array<double>(c[field]), floor) <
          tolerance);
  };
  const auto gradient = [&](const auto& op, const Array<T>& cotangent) {
    Tape<T> tape;
    const Var<T> s = tape.leaf(scores);
    tape.backward(op(s, options), cotangent);
    return s.grad();
  };
  // Where all is mixed, scores of opposite signs cancel.
  const double largest = double(std::abs(*std::max_element(scores.begin(), scores.end())));
  near(sorting_network_values(constant(scores), options).value(), "values",
       options.steepness < 1e-30 ? largest : 1e-20);
  near(sorting_network(constant(scores), options).value(), "P");
  const auto values = [](const auto& s, const auto& o) { return sorting_network_values(s, o); };
  near(gradient(values, {T(1), T(-2), T(0.5), T(3)}), "grad");
  if (c.contains("wild")) near(gradient(values, {T(1), T(-2), T(0.5), T(1e30)}), "wild");
  Array<T> W = uninitialized<T>({4, 4});
  for (std::size_t i = 0; i < 16; ++i) W.data()[i] = T(i % 7) - T(2.5) * T(i % 2);
  double largest_grad = 1e-20;  // of gradients that are sums of both signs
  for (double g : to_array<double>(c["grad_P"])) largest_grad = std::max(largest_grad, std::abs(g));
  near(gradient([](const auto& s, const auto& o) { return sorting_network(s, o); }, W), "grad_P",
       largest_grad);
}

}  // namespace

TEST_CASE("every list of zeros and ones is sorted by the networks' comparators, so they sort") {
  for (Network network : {Network::odd_even, Network::bitonic}) {
    for (std::size_t n = 0; n <= 11; ++n) {
      const auto layers = network_layers(network, n);
      for (unsigned bits = 0; bits < (1u << n); ++bits) {
        std::vector<int> x(n);
        for (std::size_t i = 0; i < n; ++i) x[i] = (bits >> i) & 1;
        for (const auto& layer : layers) {
          std::vector<bool> touched(n, false);
          for (const auto [low, high] : layer) {
            REQUIRE(low < high);
            REQUIRE((!touched[low] && !touched[high]));
            touched[low] = touched[high] = true;
            if (x[low] > x[high]) std::swap(x[low], x[high]);
          }
        }
        REQUIRE(std::is_sorted(x.begin(), x.end()));
      }
    }
  }
  CHECK(network_layers(Network::bitonic, 256).size() == 36);
  CHECK(network_layers(Network::odd_even, 5).size() == 5);
}

TEST_CASE("sorting networks pass gradcheck, and float agrees with double") {
  std::vector<OpRow> rows;
  for (const auto& [network_name, network] : networks) {
    for (const auto& [swap_name, swap] : swaps) {
      const NetworkOptions options = with(network, swap, 2);
      // The optimal swap's slope has a kink where |z| = 1/4: these scores keep away from it.
      const auto spread = [](Generator& random, const Shape& shape) -> Array<double> {
        return 3 * random.normal<double>(shape);
      };
      // logistic_phi's curvature is infinite at ties, which six mixed values come too close to.
      const Shape shape{2, swap == Swap::logistic_phi ? 3u : 6u};
      rows.push_back({network_name + " " + swap_name, {shape}, spread, [=](const auto& x) {
                        return sorting_network(x[0], options);
                      }});
      rows.push_back(
          {network_name + " " + swap_name + ", values", {shape}, spread, [=](const auto& x) {
             return sorting_network_values(x[0], options);
           }});
    }
  }
  rows.push_back({"wide rows", {{40}}, anywhere, [](const auto& x) {
                    return sorting_network(x[0], with(Network::bitonic, Swap::logistic, 1));
                  }});
  rows.push_back({"ascending", {{5}}, anywhere, [](const auto& x) {
                    return sorting_network(
                        x[0], with(Network::odd_even, Swap::cauchy, 5, Direction::ascending));
                  }});
  check_rows(rows);
}

TEST_CASE("sorting networks have the published values and gradients") {
  const nlohmann::json published = golden("diffsort.json");
  for (const auto& row : published["cases"]) {
    const std::string swap = row["distribution"];
    CAPTURE(swap);
    NetworkOptions options =
        with(networks.at(row["network"]), swaps.at(swap), row["steepness"], Direction::ascending);
    options.art_lambda = row["art_lambda"];
    // The published optimal swap has 16 (|z| + 1e-10) for 16 |z|: 1e-10 / (16 z^2), at most 1e-10,
    // a comparator in alpha, 2e-10 / (16 |z|^3), at most 8e-10, in its slope; six layers at most.
    const double tolerance = options.swap == Swap::optimal ? 6 * 9e-10 : 1e-10;

    Tape<double> tape;
    const Var<double> s = tape.leaf(to_array<double>(row["vectors"]));
    const Var<double> P_hat = sorting_network(s, options);
    const Var<double> values = sorting_network_values(s, options);
    const Array<double> X = to_array<double>(row["X"]);  // (batch, item, place)
    CHECK(distance(P_hat.value(), xt::transpose(X, {0, 2, 1})) < tolerance);
    CHECK(distance(values.value(), to_array<double>(row["sorted"])) < tolerance);
    tape.backward(P_hat, xt::transpose(to_array<double>(row["W"]), {0, 2, 1}));
    tape.backward(values, to_array<double>(row["Wx"]));
    CHECK(distance(s.grad(), to_array<double>(row["dvectors"])) < tolerance);
  }
}

TEST_CASE("a network's matrix is doubly stochastic, and applied to the scores gives its values") {
  Generator random(12);
  const Array<double> scores = random.normal<double>({3, 11});
  for (const auto& row : networks) {
    CAPTURE(row.first);
    for (Direction direction : {Direction::descending, Direction::ascending}) {
      const NetworkOptions options = with(row.second, Swap::logistic, 3, direction);
      const Array<double> P_hat = sorting_network(constant(scores), options).value();
      CHECK(is_doubly_stochastic(P_hat, 1e-12));
      Array<double> product = zeros<double>({3, 11});
      for (std::size_t b = 0; b < 3; ++b) {
        for (std::size_t i = 0; i < 11; ++i) {
          for (std::size_t j = 0; j < 11; ++j) product(b, i) += P_hat(b, i, j) * scores(b, j);
        }
      }
      CHECK(distance(product, sorting_network_values(constant(scores), options).value()) < 1e-14);
      const NetworkOptions steep = with(row.second, Swap::logistic, 1e5, direction);
      CHECK(distance(sorting_network(constant(scores), steep).value(),
                     permutation_matrix<double>(argsort(scores, direction))) < 1e-12);
    }
  }
}

TEST_CASE("the monotonic swaps: raising a score lowers no soft sorted value") {
  Generator random(13);
  const Array<double> scores = random.normal<double>({7});
  for (Swap swap : {Swap::reciprocal, Swap::cauchy, Swap::optimal}) {
    const Array<double> before =
        sorting_network_values(constant(scores), with(Network::bitonic, swap, 4)).value();
    for (std::size_t i = 0; i < 7; ++i) {
      Array<double> raised = scores;
      raised(i) += 0.05;
      const Array<double> after =
          sorting_network_values(constant(raised), with(Network::bitonic, swap, 4)).value();
      for (std::size_t j = 0; j < 7; ++j) CHECK(after(j) >= before(j) - 1e-14);
    }
  }
}

TEST_CASE("networks at ties, at extremes and at small n") {
  for (const auto& row : swaps) {
    CAPTURE(row.first);
    const NetworkOptions options = with(Network::odd_even, row.second, 2);
    Tape<double> tape;
    const Var<double> s = tape.leaf(Array<double>{1.0, 1.0});
    const Var<double> P_hat = sorting_network(s, options);
    CHECK(P_hat.value() == full<double>({2, 2}, 0.5));
    tape.backward(P_hat, Array<double>{{1.0, 0.0}, {0.0, 0.0}});
    CHECK(s.grad()(0) == -s.grad()(1));
    CHECK(s.grad()(0) > 0);
    CHECK(std::isfinite(s.grad()(0)));
    const Array<float> far{-1e30f, 1e30f, 0.0f};
    const Array<float> sorted = sorting_network_values(constant(far), options).value();
    for (float x : sorted) CHECK(std::isfinite(x));
    CHECK(sorting_network(constant(full<float>({2, 1}, 3)), options).value() ==
          full<float>({2, 1, 1}, 1));
    CHECK(sorting_network(constant(zeros<float>({2, 0})), options).shape() == Shape{2, 0, 0});
  }
}

TEST_CASE("networks beside masked scores, and where differences overflow") {
  int cases = 0;
  for (const auto& c : golden("networks_wide.json")["cases"]) {
    CAPTURE(c["network"]);
    CAPTURE(c["swap"]);
    CAPTURE(c["scores"]);
    CAPTURE(c["steepness"]);
    check_wide<double>(c, 1e-11);
    if (c["type"] == "both") check_wide<float>(c, 2e-5);
    ++cases;
  }
  CHECK(cases == 108);
  // What a swap without heavy tails leaves of the others is their sort, to the last digit.
  const NetworkOptions steep = with(Network::bitonic, Swap::logistic, 1000);
  CHECK(sorting_network_values(constant(Array<double>{-1e30, 3.0, 1.0, 2.0}), steep).value() ==
        Array<double>{3.0, 2.0, 1.0, -1e30});
}

TEST_CASE("sorting_network refuses what it cannot compute") {
  const Var<float> s = constant(Array<float>{1.0f, 2.0f});
  CHECK(error_of([&] { sorting_network(s, with(Network::bitonic, Swap::cauchy, 0)); }) ==
        "invalid_argument: sorting_network: steepness must be > 0 and finite, got 0");
  CHECK(error_of([&] {
          sorting_network(s, with(Network::bitonic, Swap::cauchy, 1e-308));
        }).rfind("invalid_argument: sorting_network: steepness is 1e-308; need one between", 0) ==
        0);
  NetworkOptions options;
  options.art_lambda = 1;
  CHECK(error_of([&] { sorting_network_values(s, options); }) ==
        "invalid_argument: sorting_network_values: art_lambda must be in [0, 1), got 1");
  CHECK(error_of([] { sorting_network(constant(scalar(1.0f))); }) ==
        "invalid_argument: sorting_network: scores are 0-d; need (..., n)");
}
