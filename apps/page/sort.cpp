#include <cmath>

#include "apps/bench/measure.hpp"
#include "apps/page/answers.hpp"
#include "engine/check.hpp"
#include "engine/random.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/relaxation.hpp"

namespace tapesort {
namespace {

// Sinkhorn sorts no scores, but balances any matrix. Here it gets NeuralSort's, without A:
// (n + 1 - 2 i) s_j.
Var<double> sinkhorn_input(const Var<double>& s) {
  const std::size_t n = s.size();
  Array<double> places = uninitialized<double>({n, 1});
  for (std::size_t i = 0; i < n; ++i) places.data()[i] = double(n) - 1 - 2 * double(i);
  return constant(std::move(places)) * s;
}

Var<double> element(const Var<double>& x, std::size_t i) {
  return reshape(slice(x, 0, Index(i), Index(i) + 1), std::vector<Index>{});
}

// The loss by name, or an empty Var where the method does not define what it needs. The order names
// masked items last.
Var<double> loss_of(const Json& loss, const Relaxation& r, const Var<double>& input,
                    const ItemMask& mask) {
  const std::string kind = loss.at("kind");
  if (kind == "cell") {
    if (!r.has_matrix()) return {};
    const Var<double> P = r.matrix(input, mask);
    const std::size_t n = P.shape()[0];
    return -element(reshape(P, {-1}),
                    loss.at("place").get<std::size_t>() * n + loss.at("item").get<std::size_t>());
  }
  if (kind == "value") {
    if (!r.has_sorted()) return {};
    return element(r.sorted(input, mask), loss.at("place"));
  }
  if (kind == "mass") {
    if (!r.has_top_k()) return {};
    return -element(r.top_k(input, loss.at("k"), mask), loss.at("item"));
  }
  const Indices wanted = to_array<Index>(loss.at("order"));
  if (kind == "cross_entropy") {
    if (!r.has_matrix()) return {};
    return cross_entropy(r.logits(input, mask), wanted, ItemMask(mask.where(By::place_and_item)));
  }
  require(kind == "ranks", "page: there is no loss ", kind);
  if (!r.has_ranks()) return {};
  const Array<double> places = convert<double>(inverse_permutation(wanted));
  const auto error = [](const Var<double>& ranks, const Array<double>& place) {
    return reshape(mse(ranks, constant<double>(place + 1.0)), {1});  // of one set
  };
  return masked(mask, By::set, error, r.ranks(input, mask), places);
}

}  // namespace

Json relaxed(const Json& question) {
  Relaxation r;
  r.method = method_named(question.at("method"));
  r.tau = question.at("tau");
  Tape<double> tape;
  const Var<double> scores = tape.leaf(to_array<double>(question.at("scores")));
  const Var<double> input = r.method == Method::sinkhorn ? sinkhorn_input(scores) : scores;

  const ItemMask mask(to_array<bool>(question.at("valid")));
  const Json& wanted = question.at("loss");

  Json answer;
  answer["order"] = to_json(r.order(input.value(), mask));
  if (r.has_matrix()) answer["P"] = to_json(r.matrix(input, mask).value());
  if (r.has_sorted()) answer["sorted"] = to_json(r.sorted(input, mask).value());
  if (r.has_ranks()) answer["ranks"] = to_json(r.ranks(input, mask).value());
  if (r.has_top_k()) answer["masses"] = to_json(r.top_k(input, wanted.at("k"), mask).value());
  const Var<double> loss = loss_of(wanted, r, input, mask);
  if (loss.node() != nullptr) {
    tape.backward(loss);
    answer["loss"] = loss.item();
    answer["grad"] = to_json(scores.grad());
  }
  return answer;
}

// The mean of the soft sorted values at the first hundredth of all places: its gradient says, softly, which
// scores are among them.
Json million(const Json& question) {
  const std::size_t n = question.at("n"), shown = 161;
  require(n >= 100 && n <= 1000000, "million: need 100 to 1000000 scores, got ", n);
  const NeuralSortOptions options(question.at("tau").get<double>());
  Generator random(question.at("seed").get<std::uint64_t>());
  Tape<double> tape;
  const Var<double> s = tape.leaf(random.normal<double>({n}));
  Var<double> sorted, loss;
  const double forward = seconds_of([&] {
    sorted = neural_sort_values(s, options);
    loss = mean(slice(sorted, 0, 0, Index(n / 100)));
  });
  const double backward = seconds_of([&] { tape.backward(loss); });

  Json answer{{"forward_seconds", forward}, {"backward_seconds", backward}, {"loss", loss.item()}};
  const Indices order = argsort(s.value());
  const Array<double> grad = s.grad();
  std::size_t next = 0;  // places from 1 to n, evenly spaced by ratio
  for (std::size_t i = 0; i < shown; ++i) {
    const double ratio = double(i) / double(shown - 1);
    const std::size_t place = std::size_t(std::pow(double(n), ratio) + 0.5) - 1;
    if (place < next || place >= n) continue;
    next = place + 1;
    const std::size_t item = std::size_t(order(place));
    answer["place"].push_back(place + 1);
    answer["score"].push_back(s.value()(item));
    answer["sorted"].push_back(sorted.value()(place));
    answer["grad"].push_back(grad(item));
  }
  return answer;
}

}  // namespace tapesort
