#include "ops/ranking.hpp"

#include "engine/instantiate.hpp"
#include "ops/elementwise.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/fast_soft_sort.hpp"
#include "ops/sorting/logits.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/sets.hpp"
#include "ops/sorting/sinkhorn.hpp"

namespace tapesort {
namespace {

enum class Labels { any, with_gains };

// Label j of a row.
void check_label(const char* op, double label, std::size_t j, std::size_t row, Labels kind) {
  const bool ok = kind == Labels::any ? std::isfinite(label) : label >= 0 && label <= 1000;
  require(ok, op, ": label ", j, " of row ", row, " is ", label, "; need ",
          kind == Labels::any ? "finite labels" : "labels between 0 and 1000");
}

// loss(scores, labels, n) of sets of n, checked, or of those that the mask leaves.
template <class T, class Loss>
Var<T> of_sets(const char* op, const Var<T>& scores, const Array<T>& labels,
               const OptionalMask& mask, Labels kind, const Loss& loss) {
  const auto checked = [&](const Var<T>& s, const Array<T>& y) {
    const std::size_t n = checked_set_size(op, s.value());
    require_same_shape(op, "scores", s.shape(), "labels", y.shape());
    require(n > 0, op, ": scores are ", s.shape(), "; need (.., n) with n >= 1");
    check_within(op, s.value(), double(std::numeric_limits<T>::max()) / 2,
                 ", half of the largest number");
    for (std::size_t i = 0; i < y.size(); ++i) {
      check_label(op, double(y.data()[i]), i % n, i / n, kind);
    }
    return loss(s, y, n);
  };
  return masked(op, mask, By::set, checked, scores, labels);
}

void check_places(const char* op, std::size_t k) {
  require(k >= 1, op, ": k must be at least 1, got 0");
}

double gain(double label) { return std::exp2(label) - 1; }
double discount(std::size_t place) { return 1 / std::log2(double(place) + 2); }  // from 0
std::vector<double> discounts(std::size_t n) {
  std::vector<double> d(n);
  for (std::size_t i = 0; i < n; ++i) d[i] = discount(i);
  return d;
}

// max DCG@k of one set.
double best_dcg(std::vector<double> labels, std::size_t k) {
  std::sort(labels.begin(), labels.end(), std::greater<>());
  double dcg = 0;
  for (std::size_t i = 0; i < std::min(k, labels.size()); ++i) dcg += discount(i) * gain(labels[i]);
  return dcg;
}

// G of sets of n; 0 where no document is relevant.
template <class T>
Array<double> normalised_gains(const Array<T>& labels, std::size_t n, std::size_t k) {
  Array<double> G = convert<double>(labels);
  for (double* row = G.data(); row != G.data() + G.size(); row += n) {
    const double best = best_dcg({row, row + n}, k);
    for (std::size_t j = 0; j < n; ++j) row[j] = best > 0 ? gain(row[j]) / best : 0;
  }
  return G;
}

// sum over pairs of weight(set, i, j) ln(1 + e^(s_j - s_i)), where y_i > y_j.
template <class T, class Weight>
Var<T> sum_of_pairs(const Var<T>& scores, const Array<T>& labels, const Weight& weight) {
  const std::size_t n = labels.shape().back();
  Array<T> w = zeros<T>(matrix_shape(labels.shape()));
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const std::size_t set = row / n, i = row % n;
    for (std::size_t j = 0; j < n; ++j) {
      if (labels.data()[row] > labels.data()[set * n + j]) {
        w.data()[row * n + j] = T(weight(set * n + i, set * n + j));
      }
    }
  }
  const std::size_t last = scores.dimension() - 1;
  const Var<T> s_i = detail::expand(scores, last + 1), s_j = detail::expand(scores, last);
  return sum(softplus(s_j - s_i) * w, Axes{-2, -1});
}

// 1 - dcg, of sets with a relevant document; dcg is 0 in the others.
template <class T> Var<T> loss_of(const Var<T>& dcg, const Array<double>& G, std::size_t n) {
  Array<T> most = zeros<T>(dcg.shape());
  for (std::size_t i = 0; i < G.size(); ++i) {
    if (G.data()[i] > 0) most.data()[i / n] = 1;
  }
  return most - dcg;
}

// The documents of each set by falling score, as pairs (score, label), to `figure`.
template <class T, class F>
Array<double> of_orders(const char* op, const Array<T>& scores, const Array<T>& labels,
                        const OptionalMask& mask, const F& figure) {
  require(scores.dimension() >= 1, op, ": scores are 0-d; need (.., n)");
  require_same_shape(op, "scores", scores.shape(), "labels", labels.shape());
  check_mask(op, scores.shape(), mask);
  const std::size_t n = scores.shape().back();
  require(mask || n > 0, op, ": scores are ", scores.shape(), "; need (.., n) with n >= 1");
  Array<double> figures = uninitialized<double>(shape_of_sets(scores.shape()));
  std::vector<std::pair<double, double>> documents;
  for (std::size_t set = 0; set < figures.size(); ++set) {
    documents.clear();
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = set * n + j;
      if (mask && !mask->valid().data()[at]) continue;
      const double score = double(scores.data()[at]), label = double(labels.data()[at]);
      require(!std::isnan(score), op, ": score ", j, " of row ", set, " is NaN");
      check_label(op, label, j, set, Labels::with_gains);
      documents.push_back({score, label});
    }
    std::sort(documents.begin(), documents.end(), std::greater<>());
    figures.data()[set] = figure(documents);
  }
  return figures;
}

}  // namespace

template <class T>
Var<T> list_mle_loss(const Var<T>& scores, const Array<T>& labels, const OptionalMask& mask) {
  return of_sets("list_mle_loss", scores, labels, mask, Labels::any,
                 [](auto& s, auto& y, auto) { return -PlackettLuce<T>(s).log_prob(argsort(y)); });
}

template <class T>
Var<T> list_net_loss(const Var<T>& scores, const Array<T>& labels, const OptionalMask& mask) {
  return of_sets("list_net_loss", scores, labels, mask, Labels::any, [](auto& s, auto& y, auto) {
    return -sum(softmax(constant<T>(y)) * log_softmax(s), -1);
  });
}

template <class T>
Var<T> pairwise_logistic_loss(const Var<T>& scores, const Array<T>& labels,
                              const OptionalMask& mask) {
  return of_sets("pairwise_logistic_loss", scores, labels, mask, Labels::any,
                 [](auto& s, auto& y, auto) {
                   return sum_of_pairs(s, y, [](std::size_t, std::size_t) { return 1; });
                 });
}

template <class T>
Var<T> lambda_loss(const Var<T>& scores, const Array<T>& labels, LambdaWeights weights,
                   const OptionalMask& mask) {
  const auto loss = [=](const Var<T>& s, const Array<T>& y, std::size_t n) {
    const Array<double> G = normalised_gains(y, n, n);
    const Indices places = inverse_permutation(argsort(s.value()));
    const std::vector<double> d = discounts(n + 1);
    return sum_of_pairs(s, y, [&](std::size_t i, std::size_t j) {
      auto [first, last] = std::minmax(places.data()[i], places.data()[j]);
      std::size_t a = std::size_t(first), b = std::size_t(last);
      if (weights == LambdaWeights::ndcg_loss2) a = b - a - 1, b = a + 1;
      return (G.data()[i] - G.data()[j]) * (d[a] - d[b]) / std::log(2.0);
    });
  };
  return of_sets("lambda_loss", scores, labels, mask, Labels::with_gains, loss);
}

template <class T>
FirstOrder<T> neural_ndcg_loss(const Var<T>& scores, const Array<T>& labels, double tau,
                               std::size_t k, const OptionalMask& mask) {
  check_places("neural_ndcg_loss", k);
  check_scale<T>("neural_ndcg_loss", "tau", tau);
  const auto loss = [=](const Var<T>& s, const Array<T>& y, std::size_t n) {
    const Array<double> G = normalised_gains(y, n, k);
    const std::vector<double> d = discounts(n);
    Array<T> dG = zeros<T>(matrix_shape(s.shape()));  // d_i G_j
    for (std::size_t at = 0; at < dG.size(); ++at) {
      const std::size_t i = at / n % n, j = at % n, set = at / n / n;
      if (i < k) dG.data()[at] = T(d[i] * G.data()[set * n + j]);
    }
    const Var<T> S = sinkhorn(neural_sort_logits(s, tau), 1);  // rows first: P_hat
    return loss_of(sum(S * dG, Axes{-2, -1}), G, n);
  };
  return of_sets("neural_ndcg_loss", scores, labels, mask, Labels::with_gains, loss);
}

template <class T>
FirstOrder<T> pi_rank_loss(const Var<T>& scores, const Array<T>& labels, double tau, std::size_t k,
                           const OptionalMask& mask) {
  check_places("pi_rank_loss", k);
  check_scale<T>("pi_rank_loss", "tau", tau);
  const auto loss = [=](const Var<T>& s, const Array<T>& y, std::size_t n) {
    const Array<double> G = normalised_gains(y, n, k);
    const Var<T> column = constant(with_shape(convert<T>(G), extended(G.shape(), {1})));
    const Var<T> gains = neural_sort_payload(s, column, tau);
    Array<T> d = zeros<T>({n, 1});
    for (std::size_t i = 0; i < std::min(k, n); ++i) d(i, 0) = T(discount(i));
    return loss_of(sum(gains * d, Axes{-2, -1}), G, n);
  };
  return of_sets("pi_rank_loss", scores, labels, mask, Labels::with_gains, loss);
}

template <class T>
FirstOrder<T> spearman_loss(const Var<T>& scores, const Array<T>& labels, double strength,
                            const OptionalMask& mask) {
  check_scale<T>("spearman_loss", "strength", strength);
  const auto loss = [=](const Var<T>& s, const Array<T>& y, std::size_t n) {
    const Indices order = argsort(y);
    Array<T> ranks = zeros<T>(y.shape());
    for (std::size_t row = 0; row < y.size(); row += n) {
      const auto at = [&](std::size_t i) { return row + std::size_t(order.data()[row + i]); };
      const auto label = [&](std::size_t i) { return y.data()[at(i)]; };
      for_ties(n, label, [&](std::size_t begin, std::size_t end) {  // equal: their mean rank
        for (std::size_t i = begin; i < end; ++i) ranks.data()[at(i)] = T(begin + 1 + end) / 2;
      });
    }
    const double pairs = double(n) * (double(n) * double(n) - 1);
    return sum(square(fast_soft_rank(s, strength) - ranks), -1) * T(n > 1 ? 6 / pairs : 0);
  };
  return of_sets("spearman_loss", scores, labels, mask, Labels::any, loss);
}

template <class T>
Array<double> ndcg(const Array<T>& scores, const Array<T>& labels, std::size_t k,
                   const OptionalMask& mask) {
  check_places("ndcg", k);
  return of_orders("ndcg", scores, labels, mask, [k](const auto& documents) {
    std::vector<double> sorted;
    for (const auto& document : documents) sorted.push_back(document.second);
    const double best = best_dcg(sorted, k);
    double dcg = 0;
    const auto score = [&](std::size_t i) { return documents[i].first; };
    for_ties(documents.size(), score, [&](std::size_t begin, std::size_t end) {
      double gains = 0, discounts = 0;
      for (std::size_t i = begin; i < end; ++i) {
        gains += gain(sorted[i]);
        if (i < k) discounts += discount(i);
      }
      dcg += gains / double(end - begin) * discounts;
    });
    return best > 0 ? dcg / best : 1;
  });
}

template <class T>
Array<double> reciprocal_rank(const Array<T>& scores, const Array<T>& labels,
                              const OptionalMask& mask) {
  return of_orders("reciprocal_rank", scores, labels, mask, [](const auto& documents) {
    // none: the probability that no document so far was relevant.
    double expected = 0, none = 1;
    const auto score = [&](std::size_t i) { return documents[i].first; };
    for_ties(documents.size(), score, [&](std::size_t begin, std::size_t end) {
      const auto relevant = std::count_if(documents.begin() + std::ptrdiff_t(begin),
                                          documents.begin() + std::ptrdiff_t(end),
                                          [](const auto& document) { return document.second > 0; });
      for (std::size_t i = begin; i < end && none > 0; ++i) {
        const double first = double(relevant) / double(end - i);
        expected += none * first / double(i + 1);
        none *= 1 - first;
      }
    });
    return expected;
  });
}

INSTANTIATE_TWICE(list_mle_loss)
INSTANTIATE_TWICE(list_net_loss)
INSTANTIATE_TWICE(pairwise_logistic_loss)
INSTANTIATE_TWICE(lambda_loss)
INSTANTIATE(neural_ndcg_loss)
INSTANTIATE(pi_rank_loss)
INSTANTIATE(spearman_loss)
INSTANTIATE(ndcg)
INSTANTIATE(reciprocal_rank)

}  // namespace tapesort
