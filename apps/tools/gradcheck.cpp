// tapesort gradcheck: checks the gradient of every operator that this library has.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/program/program.hpp"
#include "gradcheck/vars.hpp"
#include "ops/conv/conv.hpp"
#include "ops/conv/relu_pool.hpp"
#include "ops/distances.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/mask.hpp"
#include "ops/matmul.hpp"
#include "ops/norm.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/pool.hpp"
#include "ops/ranking.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/k_subsets.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/logits.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/perturbed.hpp"
#include "ops/sorting/sinkhorn.hpp"
#include "ops/sorting/soft_sort.hpp"
#include "ops/sorting/sorting_network.hpp"

namespace tapesort {
namespace {

using Inputs = std::vector<Var<double>>;

struct OperatorRow {
  const char* name;
  std::vector<Shape> shapes;
  bool positive;  // drawn from [0.5, 2) instead of the normal distribution
  std::function<Var<double>(const Inputs&)> op;
};

// Inputs as training brings them; kinks and ties are where the tests look.
std::vector<OperatorRow> operators() {
  const Shape set{2, 6};
  const Indices order{{2, 0, 1, 4, 3, 5}, {5, 1, 0, 2, 3, 4}}, labels{1, 0};
  const Array<double> truth{{3, 1, 2, 5, 6, 4}, {1, 2, 2, 4, 5, 0}};
  const auto network = [](Network kind) {
    NetworkOptions options;
    options.network = kind;
    return options;
  };
  return {
      {"add", {{2, 3}, {3}}, false, [](auto& x) { return x[0] + x[1]; }},
      {"subtract", {{2, 3}, {2, 1}}, false, [](auto& x) { return x[0] - x[1]; }},
      {"multiply", {{2, 3}, {3}}, false, [](auto& x) { return x[0] * x[1]; }},
      {"divide", {{2, 3}, {3}}, true, [](auto& x) { return x[0] / x[1]; }},
      {"pow", {{2, 3}, {3}}, true, [](auto& x) { return pow(x[0], x[1]); }},
      {"exp", {{2, 3}}, false, [](auto& x) { return exp(x[0]); }},
      {"log", {{2, 3}}, true, [](auto& x) { return log(x[0]); }},
      {"sqrt", {{2, 3}}, true, [](auto& x) { return sqrt(x[0]); }},
      {"square", {{2, 3}}, false, [](auto& x) { return square(x[0]); }},
      {"abs", {{2, 3}}, false, [](auto& x) { return abs(x[0]); }},
      {"tanh", {{2, 3}}, false, [](auto& x) { return tanh(x[0]); }},
      {"sigmoid", {{2, 3}}, false, [](auto& x) { return sigmoid(x[0]); }},
      {"softplus", {{2, 3}}, false, [](auto& x) { return softplus(x[0]); }},
      {"relu", {{2, 3}}, false, [](auto& x) { return relu(x[0]); }},
      {"maximum", {{2, 3}, {3}}, false, [](auto& x) { return maximum(x[0], x[1]); }},
      {"minimum", {{2, 3}, {3}}, false, [](auto& x) { return minimum(x[0], x[1]); }},
      {"clip", {{2, 3}}, false, [](auto& x) { return clip(x[0], -0.5, 0.5); }},
      {"where",
       {{2, 3}, {3}},
       false,
       [](auto& x) { return where(greater(x[0], x[1]), x[0], x[1]); }},
      {"sum", {{2, 3}}, false, [](auto& x) { return sum(x[0], 0); }},
      {"mean", {{2, 3}}, false, [](auto& x) { return mean(x[0], 1); }},
      {"var", {{2, 3}}, false, [](auto& x) { return var(x[0], 1); }},
      {"norm", {{2, 3}}, false, [](auto& x) { return norm(x[0], 1); }},
      {"standard_deviation", {{2, 3}}, false, [](auto& x) { return standard_deviation(x[0], 1); }},
      {"max", {{2, 3}}, false, [](auto& x) { return max(x[0], 1); }},
      {"min", {{2, 3}}, false, [](auto& x) { return min(x[0], 1); }},
      {"logsumexp", {{2, 3}}, false, [](auto& x) { return logsumexp(x[0], 1); }},
      {"cumsum", {{2, 3}}, false, [](auto& x) { return cumsum(x[0], 1); }},
      {"reshape",
       {{2, 3}},
       false,
       [](auto& x) {
         return reshape(x[0], {3, 2});
       }},
      {"transpose", {{2, 3}}, false, [](auto& x) { return transpose(x[0]); }},
      {"slice", {{2, 3}}, false, [](auto& x) { return slice(x[0], 1, 1, 3); }},
      {"concat", {{2, 3}, {1, 3}}, false, [](auto& x) { return concat(x, 0); }},
      {"stack", {{2, 3}, {2, 3}}, false, [](auto& x) { return stack(x, 1); }},
      {"take",
       {{3, 2}},
       false,
       [](auto& x) {
         return take(x[0], Indices{0, 2, 2}, 0);
       }},
      {"take_along_axis", {set}, false, [=](auto& x) { return take_along_axis(x[0], order); }},
      {"broadcast_to",
       {{3, 1}},
       false,
       [](auto& x) {
         return broadcast_to(x[0], {2, 3, 4});
       }},
      {"matmul", {{2, 3}, {3, 4}}, false, [](auto& x) { return matmul(x[0], x[1]); }},
      {"squared_distances",
       {{2, 3}, {4, 3}},
       false,
       [](auto& x) { return squared_distances(x[0], x[1]); }},
      {"softmax", {{2, 4}}, false, [](auto& x) { return softmax(x[0]); }},
      {"log_softmax", {{2, 4}}, false, [](auto& x) { return log_softmax(x[0]); }},
      {"cross_entropy", {{2, 4}}, false, [=](auto& x) { return cross_entropy(x[0], labels); }},
      {"mse", {{2, 3}, {2, 3}}, false, [](auto& x) { return mse(x[0], x[1]); }},
      {"conv2d",
       {{1, 5, 5, 2}, {3, 3, 2, 2}, {2}},
       false,
       [](auto& x) { return conv2d(x[0], x[1], x[2]); }},
      {"conv2d_relu_pool",
       {{1, 6, 6, 2}, {3, 3, 2, 2}, {2}},
       false,
       [](auto& x) { return conv2d_relu_pool(x[0], x[1], x[2]); }},
      {"max_pool2d", {{1, 4, 4, 2}}, false, [](auto& x) { return max_pool2d(x[0], 2, 2); }},
      {"avg_pool2d", {{1, 4, 4, 2}}, false, [](auto& x) { return avg_pool2d(x[0], 2, 2); }},
      {"batch_norm",
       {{4, 3}, {3}, {3}},
       false,
       [](auto& x) {
         BatchStatistics<double> statistics(3);
         return batch_norm(x[0], x[1], x[2], statistics);
       }},
      {"dropout",
       {{4, 3}},
       false,
       [](auto& x) {
         Generator random(1);
         return dropout(x[0], 0.5, random, true);
       }},
      {"neural_sort", {set}, false, [](auto& x) { return neural_sort(x[0], 0.5); }},
      {"neural_sort_values", {set}, false, [](auto& x) { return neural_sort_values(x[0], 0.5); }},
      {"neural_sort_payload",
       {set, {2, 6, 2}},
       false,
       [](auto& x) { return neural_sort_payload(x[0], x[1], 0.5); }},
      {"neural_sort_ranks", {set}, false, [](auto& x) { return neural_sort_ranks(x[0], 0.5); }},
      {"top_k_mass", {set}, false, [](auto& x) { return top_k_mass(x[0], 2, 0.5); }},
      {"neural_sort_quantile",
       {set},
       false,
       [](auto& x) {
         return neural_sort_quantile(x[0], {0.25, 0.9}, 0.5);
       }},
      {"neural_sort_cross_entropy",
       {set},
       false,
       [=](auto& x) { return neural_sort_cross_entropy(x[0], truth, 0.5); }},
      {"neural_sort_logits", {set}, false, [](auto& x) { return neural_sort_logits(x[0], 0.5); }},
      {"neural_sort_smooth",
       {set},
       false,
       [](auto& x) { return neural_sort_smooth(x[0], 0.5, 0.5); }},
      {"neural_sort masked",
       {set},
       false,
       [=](auto& x) {
         return masked(
             ItemMask::of_lengths({4, 5}, 6), By::place_and_item,
             [](auto& s) { return neural_sort(s, 0.5); }, x[0]);
       }},
      {"soft_sort", {set}, false, [](auto& x) { return soft_sort(x[0], 0.5); }},
      {"sinkhorn", {{5, 5}}, false, [](auto& x) { return sinkhorn(x[0], 0.5); }},
      {"log_sinkhorn", {{5, 5}}, false, [](auto& x) { return log_sinkhorn(x[0], 0.5); }},
      {"odd_even network",
       {set},
       false,
       [=](auto& x) { return sorting_network(x[0], network(Network::odd_even)); }},
      {"bitonic network",
       {set},
       false,
       [=](auto& x) { return sorting_network(x[0], network(Network::bitonic)); }},
      {"network_values",
       {set},
       false,
       [=](auto& x) { return sorting_network_values(x[0], network(Network::bitonic)); }},
      {"fast_soft_sort l2", {set}, false, [](auto& x) { return fast_soft_sort(x[0], 0.5); }},
      {"fast_soft_sort kl",
       {set},
       false,
       [](auto& x) { return fast_soft_sort(x[0], 0.5, Regularization::kl); }},
      {"fast_soft_rank l2", {set}, false, [](auto& x) { return fast_soft_rank(x[0], 0.5); }},
      {"fast_soft_rank kl",
       {set},
       false,
       [](auto& x) { return fast_soft_rank(x[0], 0.5, Regularization::kl); }},
      {"sparse_top_k", {set}, false, [](auto& x) { return sparse_top_k(x[0], 2, 0.5); }},
      {"k_subset_log_partition",
       {set},
       false,
       [](auto& x) { return k_subset_log_partition(x[0], 2); }},
      {"k_subset_marginals", {set}, false, [](auto& x) { return k_subset_marginals(x[0], 2); }},
      {"fenchel_young_loss",
       {set},
       false,
       [=](auto& x) {
         const auto first = [](const Array<double>& s) { return first_of<double>(argsort(s), 2); };
         Generator random(1);
         return fenchel_young_loss(x[0], truth, first, 0.5, random);
       }},
      {"lap_sum", {set}, false, [](auto& x) { return lap_sum(x[0], 0.5); }},
      {"lap_sum_sort", {set}, false, [](auto& x) { return lap_sum_sort(x[0], 0.5); }},
      {"lap_sum_rank", {set}, false, [](auto& x) { return lap_sum_rank(x[0], 0.5); }},
      {"lap_sum_top_k", {set}, false, [](auto& x) { return lap_sum_top_k(x[0], 2, 0.5); }},
      {"PlackettLuce::log_prob",
       {set},
       false,
       [=](auto& x) { return PlackettLuce(x[0]).log_prob(order); }},
      {"list_mle_loss", {set}, false, [=](auto& x) { return list_mle_loss(x[0], truth); }},
      {"list_net_loss", {set}, false, [=](auto& x) { return list_net_loss(x[0], truth); }},
      {"pairwise_logistic_loss",
       {set},
       false,
       [=](auto& x) { return pairwise_logistic_loss(x[0], truth); }},
      {"lambda_loss", {set}, false, [=](auto& x) { return lambda_loss(x[0], truth); }},
      {"neural_ndcg_loss",
       {set},
       false,
       [=](auto& x) { return neural_ndcg_loss(x[0], truth, 0.5); }},
      {"pi_rank_loss", {set}, false, [=](auto& x) { return pi_rank_loss(x[0], truth, 0.5); }},
      {"spearman_loss", {set}, false, [=](auto& x) { return spearman_loss(x[0], truth, 0.5); }},
  };
}

struct GradcheckCommand {
  std::string op;
  bool json = false;

  void run() const {
    nlohmann::json all = nlohmann::json::object();
    bool ok = true, found = false;
    if (!json) std::printf("%-26s %-28s %9s %8s\n", "operator", "inputs", "compared", "worst");
    for (const OperatorRow& row : operators()) {
      if (!op.empty() && op != row.name) continue;
      found = true;
      Generator random(2019);
      std::vector<Array<double>> inputs;
      std::string shapes;
      for (const Shape& shape : row.shapes) {
        inputs.push_back(row.positive ? random.uniform<double>(shape, 0.5, 2)
                                      : random.normal<double>(shape));
        shapes += (shapes.empty() ? "" : " ") + to_text(shape);
      }
      const GradcheckReport report = gradcheck(row.op, inputs);
      ok = ok && report.ok();
      if (json) {
        all[row.name] = nlohmann::json::parse(report.json());
        continue;
      }
      std::size_t compared = 0;
      double worst = 0;
      for (const GradcheckRow& of_input : report.rows) {
        compared += of_input.compared;
        worst = std::max(worst, of_input.worst);
      }
      std::printf("%-26s %-28s %9zu %8.1e%s\n", row.name, shapes.c_str(), compared, worst,
                  report.ok() ? "" : "  WRONG");
      if (!report.ok() || !op.empty()) std::printf("%s", report.text().c_str());
    }
    if (!found)
      not_understood("gradcheck: there is no operator " + op + "; without --op, all are listed");
    if (json) std::printf("%s\n", all.dump(2).c_str());
    if (!ok) end_with(1);
  }
};

}  // namespace

void add_gradcheck(Command program) {
  const auto options = std::make_shared<GradcheckCommand>();
  Command command =
      program.command("gradcheck", "the gradient of every operator, against differences");
  command.add("--op", options->op, "this one alone, in detail");
  command.add("--json", options->json, "as JSON");
  command.run([options] { options->run(); });
}

}  // namespace tapesort
