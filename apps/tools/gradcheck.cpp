// tapesort gradcheck: checks the gradient of every operator that this library has.
#include <algorithm>
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
  std::function<Var<double>(const Inputs&)> op;
  bool positive = false;  // drawn from [0.5, 2) instead of the normal distribution
};

// As a function of the inputs x.
#define OF(...) [=](auto& x) { return __VA_ARGS__; }

// Inputs as training brings them; kinks and ties are where the tests look.
std::vector<OperatorRow> operators() {
  const Shape set{2, 6};
  const Indices order{{2, 0, 1, 4, 3, 5}, {5, 1, 0, 2, 3, 4}}, labels{1, 0};
  const Array<double> truth{{3, 1, 2, 5, 6, 4}, {1, 2, 2, 4, 5, 0}};
  return {
      {"add", {{2, 3}, {3}}, OF(x[0] + x[1])},
      {"subtract", {{2, 3}, {2, 1}}, OF(x[0] - x[1])},
      {"multiply", {{2, 3}, {3}}, OF(x[0] * x[1])},
      {"divide", {{2, 3}, {3}}, OF(x[0] / x[1]), true},
      {"pow", {{2, 3}, {3}}, OF(pow(x[0], x[1])), true},
      {"exp", {{2, 3}}, OF(exp(x[0]))},
      {"log", {{2, 3}}, OF(log(x[0])), true},
      {"sqrt", {{2, 3}}, OF(sqrt(x[0])), true},
      {"square", {{2, 3}}, OF(square(x[0]))},
      {"abs", {{2, 3}}, OF(abs(x[0]))},
      {"tanh", {{2, 3}}, OF(tanh(x[0]))},
      {"sigmoid", {{2, 3}}, OF(sigmoid(x[0]))},
      {"softplus", {{2, 3}}, OF(softplus(x[0]))},
      {"relu", {{2, 3}}, OF(relu(x[0]))},
      {"maximum", {{2, 3}, {3}}, OF(maximum(x[0], x[1]))},
      {"minimum", {{2, 3}, {3}}, OF(minimum(x[0], x[1]))},
      {"clip", {{2, 3}}, OF(clip(x[0], -0.5, 0.5))},
      {"where", {{2, 3}, {3}}, OF(where(greater(x[0], x[1]), x[0], x[1]))},
      {"sum", {{2, 3}}, OF(sum(x[0], 0))},
      {"mean", {{2, 3}}, OF(mean(x[0], 1))},
      {"var", {{2, 3}}, OF(var(x[0], 1))},
      {"norm", {{2, 3}}, OF(norm(x[0], 1))},
      {"standard_deviation", {{2, 3}}, OF(standard_deviation(x[0], 1))},
      {"max", {{2, 3}}, OF(max(x[0], 1))},
      {"min", {{2, 3}}, OF(min(x[0], 1))},
      {"logsumexp", {{2, 3}}, OF(logsumexp(x[0], 1))},
      {"cumsum", {{2, 3}}, OF(cumsum(x[0], 1))},
      {"reshape", {{2, 3}}, OF(reshape(x[0], {3, 2}))},
      {"transpose", {{2, 3}}, OF(transpose(x[0]))},
      {"slice", {{2, 3}}, OF(slice(x[0], 1, 1, 3))},
      {"concat", {{2, 3}, {1, 3}}, OF(concat(x, 0))},
      {"stack", {{2, 3}, {2, 3}}, OF(stack(x, 1))},
      {"take", {{3, 2}}, OF(take(x[0], Indices{0, 2, 2}, 0))},
      {"take_along_axis", {set}, OF(take_along_axis(x[0], order))},
      {"broadcast_to", {{3, 1}}, OF(broadcast_to(x[0], {2, 3, 4}))},
      {"matmul", {{2, 3}, {3, 4}}, OF(matmul(x[0], x[1]))},
      {"squared_distances", {{2, 3}, {4, 3}}, OF(squared_distances(x[0], x[1]))},
      {"softmax", {{2, 4}}, OF(softmax(x[0]))},
      {"log_softmax", {{2, 4}}, OF(log_softmax(x[0]))},
      {"cross_entropy", {{2, 4}}, OF(cross_entropy(x[0], labels))},
      {"mse", {{2, 3}, {2, 3}}, OF(mse(x[0], x[1]))},
      {"conv2d", {{1, 5, 5, 2}, {3, 3, 2, 2}, {2}}, OF(conv2d(x[0], x[1], x[2]))},
      {"conv2d_relu_pool",
       {{1, 6, 6, 2}, {3, 3, 2, 2}, {2}},
       OF(conv2d_relu_pool(x[0], x[1], x[2]))},
      {"max_pool2d", {{1, 4, 4, 2}}, OF(max_pool2d(x[0], 2, 2))},
      {"avg_pool2d", {{1, 4, 4, 2}}, OF(avg_pool2d(x[0], 2, 2))},
      {"batch_norm",
       {{4, 3}, {3}, {3}},
       [](auto& x) {
         BatchStatistics<double> statistics(3);
         return batch_norm(x[0], x[1], x[2], statistics);
       }},
      {"dropout",
       {{4, 3}},
       [](auto& x) {
         Generator random(1);
         return dropout(x[0], 0.5, random, true);
       }},
      {"neural_sort", {set}, OF(neural_sort(x[0], 0.5))},
      {"neural_sort_values", {set}, OF(neural_sort_values(x[0], 0.5))},
      {"neural_sort_payload", {set, {2, 6, 2}}, OF(neural_sort_payload(x[0], x[1], 0.5))},
      {"neural_sort_ranks", {set}, OF(neural_sort_ranks(x[0], 0.5))},
      {"top_k_mass", {set}, OF(top_k_mass(x[0], 2, 0.5))},
      {"neural_sort_quantile", {set}, OF(neural_sort_quantile(x[0], {0.25, 0.9}, 0.5))},
      {"neural_sort_cross_entropy", {set}, OF(neural_sort_cross_entropy(x[0], truth, 0.5))},
      {"neural_sort_logits", {set}, OF(neural_sort_logits(x[0], 0.5))},
      {"neural_sort_smooth", {set}, OF(neural_sort_smooth(x[0], 0.5, 0.5))},
      {"neural_sort masked",
       {set},
       OF(masked(
           ItemMask::of_lengths({4, 5}, 6), By::place_and_item,
           [](auto& s) { return neural_sort(s, 0.5); }, x[0]))},
      {"soft_sort", {set}, OF(soft_sort(x[0], 0.5))},
      {"sinkhorn", {{5, 5}}, OF(sinkhorn(x[0], 0.5))},
      {"log_sinkhorn", {{5, 5}}, OF(log_sinkhorn(x[0], 0.5))},
      {"odd_even network", {set}, OF(sorting_network(x[0], {Network::odd_even}))},
      {"bitonic network", {set}, OF(sorting_network(x[0], {Network::bitonic}))},
      {"network_values", {set}, OF(sorting_network_values(x[0], {Network::bitonic}))},
      {"fast_soft_sort l2", {set}, OF(fast_soft_sort(x[0], 0.5))},
      {"fast_soft_sort kl", {set}, OF(fast_soft_sort(x[0], 0.5, Regularization::kl))},
      {"fast_soft_rank l2", {set}, OF(fast_soft_rank(x[0], 0.5))},
      {"fast_soft_rank kl", {set}, OF(fast_soft_rank(x[0], 0.5, Regularization::kl))},
      {"sparse_top_k", {set}, OF(sparse_top_k(x[0], 2, 0.5))},
      {"k_subset_log_partition", {set}, OF(k_subset_log_partition(x[0], 2))},
      {"k_subset_marginals", {set}, OF(k_subset_marginals(x[0], 2))},
      {"fenchel_young_loss",
       {set},
       [=](auto& x) {
         const auto first = [](const Array<double>& s) { return first_of<double>(argsort(s), 2); };
         Generator random(1);
         return fenchel_young_loss(x[0], truth, first, 0.5, random);
       }},
      {"lap_sum", {set}, OF(lap_sum(x[0], 0.5))},
      {"lap_sum_sort", {set}, OF(lap_sum_sort(x[0], 0.5))},
      {"lap_sum_rank", {set}, OF(lap_sum_rank(x[0], 0.5))},
      {"lap_sum_top_k", {set}, OF(lap_sum_top_k(x[0], 2, 0.5))},
      {"PlackettLuce::log_prob", {set}, OF(PlackettLuce(x[0]).log_prob(order))},
      {"list_mle_loss", {set}, OF(list_mle_loss(x[0], truth))},
      {"list_net_loss", {set}, OF(list_net_loss(x[0], truth))},
      {"pairwise_logistic_loss", {set}, OF(pairwise_logistic_loss(x[0], truth))},
      {"lambda_loss", {set}, OF(lambda_loss(x[0], truth))},
      {"neural_ndcg_loss", {set}, OF(neural_ndcg_loss(x[0], truth, 0.5))},
      {"pi_rank_loss", {set}, OF(pi_rank_loss(x[0], truth, 0.5))},
      {"spearman_loss", {set}, OF(spearman_loss(x[0], truth, 0.5))},
  };
}
#undef OF

struct GradcheckCommand {
  std::string op;
  bool json = false;

  void run() const {
    std::vector<OperatorRow> rows = operators();
    const auto other = [&](const OperatorRow& row) { return !op.empty() && op != row.name; };
    rows.erase(std::remove_if(rows.begin(), rows.end(), other), rows.end());
    if (rows.empty())
      not_understood("gradcheck: there is no operator " + op + "; without --op, all are listed");
    nlohmann::json all = nlohmann::json::object();
    bool ok = true;
    if (!json) std::printf("%-26s %-28s %9s %8s\n", "operator", "inputs", "compared", "worst");
    for (const OperatorRow& row : rows) {
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
