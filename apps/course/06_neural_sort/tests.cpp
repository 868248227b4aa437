#include <neural_sort.hpp>

#include "../test_tools.hpp"

using course::check;
using course::check_near;

namespace {

const Vector s{0.5, 3, -1, 2};

Vector rows_of(const Matrix& p) {
  Vector all;
  for (const Vector& row : p) all.insert(all.end(), row.begin(), row.end());
  return all;
}

// P_hat by the formula, with what a mistake would make of it.
Matrix formula(const Vector& scores, double tau, double first, double sign, bool by_rows = true) {
  const std::size_t n = scores.size();
  Matrix p(n, Vector(n));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double a = 0;
      for (double other : scores) a += std::abs(scores[j] - other);
      p[i][j] = std::exp(((first - 2 * double(i)) * scores[j] - sign * a) / tau);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += by_rows ? p[i][j] : p[j][i];
    for (std::size_t j = 0; j < n; ++j) (by_rows ? p[i][j] : p[j][i]) /= sum;
  }
  return p;
}

}  // namespace

TASK("6.1") {
  check_near("The ranks of (0.5, 3, -1, 2)", ranks(s), {3, 1, 4, 2},
             {{{2, 4, 1, 3}, "These count from the smallest. The largest score has rank 1."},
              {{2, 0, 3, 1}, "These count from 0."},
              {{1, 3, 0, 2},
               "That is the order, which item stands at each place, counted from 0. The rank is "
               "its inverse: at which place an item stands."},
              {{2, 4, 1, 3}, "That is the order, which item stands at each place."}});
  check_near(
      "The ranks of (1, 1, 1)", ranks({1, 1, 1}), {1, 2, 3},
      {{{1, 1, 1}, "Of equal scores the one further left is first; all three cannot stand at 1."},
       {{3, 3, 3}, "Of equal scores the one further left is first; all three cannot stand at 3."},
       {{3, 2, 1}, "Of equal scores the one further left is first."}});
}

TASK("6.2") {
  check_near("The gradient for weights (1, 2, 3, 4)", gradient_of_ranks(s, {1, 2, 3, 4}),
             {0, 0, 0, 0},
             {{{1, 2, 3, 4}, "That is w. When a score moves by 1e-6, does any rank change?"},
              {{-1, -2, -3, -4}, "When a score moves by 1e-6, does any rank change?"}});
}

TASK("6.3") {
  check_near("A for (0.5, 3, -1, 2)", distances(s), {5.5, 7.5, 8.5, 5.5},
             {{{-2.5, 7.5, -8.5, 3.5}, "The absolute value is missing."},
              {{2.5, 7.5, 8.5, 3.5},
               "The absolute value stands outside of the sum; it belongs to each distance."}});
}

TASK("6.4") {
  const double n = 4;
  check_near(
      "P_hat of (0.5, 3, -1, 2) at tau = 2, row by row,", rows_of(neural_sort_matrix(s, 2)),
      rows_of(formula(s, 2, n - 1, 1)),
      {{rows_of(formula(s, 2, n + 1, 1)),
        "Rows are counted from 0 here: n - 1 - 2 i. (The paper has n + 1 - 2 i, with i from 1.)"},
       {rows_of(formula(s, 2, n - 1, 0)),
        "A_j is missing. Without it every row is largest at an end."},
       {rows_of(formula(s, 2, n - 1, -1)), "A_j has the wrong sign: it is subtracted."},
       {rows_of(formula(s, 1, n - 1, 1)), "The logits have not been divided by tau."},
       {rows_of(formula(s, 2, n - 1, 1, false)),
        "The columns sum to one. Each row is a distribution: which item stands at this place?"},
       {rows_of(formula(s, 0.5, n - 1, 1)), "tau multiplies; it should divide."}});
  for (double one : rows_of(neural_sort_matrix(s, 1e-3))) {
    check(std::isfinite(one),
          "At tau = 1e-3 there is a NaN or an infinity: subtract each row's largest logit "
          "before exp, as in stage 5.");
  }
}

TASK("6.5") {
  const std::vector<std::size_t> got = order_of(formula(s, 0.1, 3, 1));
  check_near(
      "The order of (0.5, 3, -1, 2) at tau = 0.1", Vector(got.begin(), got.end()), {1, 3, 0, 2},
      {{{2, 0, 3, 1},
        "These are the largest elements of the columns: each item's place. Go along the rows."},
       {{2, 4, 1, 3}, "Count items from 0."}});
  const std::vector<std::size_t> soft = order_of(formula(s, 4, 3, 1));
  check_near("The order at tau = 4, where no element of P_hat is near 1,",
             Vector(soft.begin(), soft.end()), {1, 3, 0, 2});
}

TASK("6.6") {
  const auto at = [](const Vector& scores, double tau) {
    Tape<double> tape;
    Array<double> column = uninitialized<double>({scores.size(), 1});
    std::copy(scores.begin(), scores.end(), column.begin());
    const Var<double> leaf = tape.leaf(column), y = soft_sorted(leaf, tau);
    check(y.shape() == Shape{scores.size(), 1},
          "The result has shape " + to_text(y.shape()) + ", but should have (4, 1).");
    tape.backward(sum(y * y));
    const Array<double> value = y.value(), gradient = leaf.grad();
    return std::make_pair(Vector(value.begin(), value.end()),
                          Vector(gradient.begin(), gradient.end()));
  };
  const auto right = [](const Vector& scores) {
    Vector y;
    for (const Vector& row : formula(scores, 2, 3, 1)) {
      double sum = 0;
      for (std::size_t j = 0; j < row.size(); ++j) sum += row[j] * scores[j];
      y.push_back(sum);
    }
    return y;
  };
  const auto [y, gradient] = at(s, 2);
  const Vector falling = right(s);
  Vector without;
  for (const Vector& row : formula(s, 2, 3, 0)) {
    double sum = 0;
    for (std::size_t j = 0; j < row.size(); ++j) sum += row[j] * s[j];
    without.push_back(sum);
  }
  check_near("The soft sorted values of (0.5, 3, -1, 2) at tau = 2", y, falling,
             {{Vector(falling.rbegin(), falling.rend()), "They rise. The largest comes first."},
              {without,
               "A seems to be the same for a whole row, and then the softmax cancels it: sum over "
               "the rows, axis 0."}});
  const auto squares = [&](const Vector& scores) {
    double sum = 0;
    for (double one : right(scores)) sum += one * one;
    return sum;
  };
  check_near("The gradient of sum y^2", gradient, course::differences(squares, s),
             {{{0, 0, 0, 0}, "No gradient arrives: compute with Vars, not with their values."}},
             1e-5);
  check_near("The soft sorted values at tau = 0.001", at(s, 1e-3).first, {3, 2, 0.5, -1});
}

int main(int, char** argv) { return course::run(argv[1]); }
