#include <cmath>
#include <map>

#include "apps/page/answers.hpp"
#include "engine/check.hpp"
#include "ops/noise.hpp"
#include "ops/plackett_luce.hpp"

namespace tapesort {
namespace {

// Row r of the noise is the one by which `tapesort pl --sample` with this seed draws its order r.
Array<double> noise_of(const Json& question, std::size_t samples, std::size_t n) {
  Generator random = Generator(question.at("seed").get<std::uint64_t>()).split(0);
  return gumbel_noise<double>({samples, n}, random);
}

}  // namespace

Json race(const Json& question) {
  const Var<double> s = constant(to_array<double>(question.at("log_scores")));
  const PlackettLuce<double> p(s);
  const std::size_t row = question.at("race"), n = s.size();
  require(row < 10000, "race: the page has races 0 to 9999, got ", row);
  const Array<double> all = noise_of(question, row + 1, n);
  Array<double> noise = uninitialized<double>({n}), times = uninitialized<double>({n});
  std::copy_n(all.data() + row * n, n, noise.data());
  for (std::size_t j = 0; j < n; ++j) times(j) = std::exp(-(s.value()(j) + noise(j)));
  const Indices order = p.perturbed_order(noise);
  return {{"noise", to_json(noise)},
          {"times", to_json(times)},
          {"order", to_json(order)},
          {"log_prob", p.log_prob(order).item()}};
}

Json orders(const Json& question) {
  const Var<double> s = constant(to_array<double>(question.at("log_scores")));
  const PlackettLuce<double> p(s);
  const std::size_t n = s.size(), samples = question.at("samples");
  require(samples <= 1000000, "orders: need at most 1000000 samples, got ", samples);
  const Indices all = all_orders(n);
  std::map<std::vector<Index>, std::size_t> counts;
  if (samples > 0) {
    const Indices drawn = p.perturbed_order(noise_of(question, samples, n));
    for (std::size_t r = 0; r < samples; ++r) {
      const Index* z = drawn.data() + r * n;
      ++counts[std::vector<Index>(z, z + n)];
    }
  }
  Json count = Json::array();
  for (std::size_t r = 0; r < all.shape()[0]; ++r) {
    const Index* z = all.data() + r * n;
    count.push_back(counts[std::vector<Index>(z, z + n)]);
  }
  return {
      {"orders", to_json(all)}, {"counts", count}, {"log_prob", to_json(p.log_prob(all).value())}};
}

}  // namespace tapesort
