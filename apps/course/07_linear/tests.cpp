#include <linear.hpp>

using course::check;
using course::check_near;

namespace {

// Row i of the formula, for sorted scores: logits, less that of item i.
Vector formula(const Vector& v, double tau, std::size_t i) {
  const double n = double(v.size());
  Vector logits;
  for (double one : v) {
    double a = 0;
    for (double other : v) a += std::abs(one - other);
    logits.push_back(((n - 1 - 2 * double(i)) * one - a) / tau);
  }
  const double own = logits[i];
  for (double& one : logits) one -= own;
  return logits;
}

double mean_by_formula(const Vector& v, double tau, std::size_t i) {
  double sum = 0, mass = 0;
  const Vector logits = formula(v, tau, i);
  for (std::size_t j = 0; j < v.size(); ++j) {
    sum += std::exp(logits[j]) * v[j];
    mass += std::exp(logits[j]);
  }
  return sum / mass;
}

const Vector v{3, 2, 0.5, 0, -1};
const Vector d{0.5, 0.75, 0.25, 0.5};  // its gaps at tau = 2

}  // namespace

TASK("7.1") {
  check_near(
      "The gaps of (3, 2, 0.5, 0, -1) at tau = 2", gaps(v, 2), d,
      {{{1, 1.5, 0.5, 1}, "They have not been divided by tau."},
       {{-0.5, -0.75, -0.25, -0.5}, "The scores fall, so a gap is v_j - v_(j+1), not negative."},
       {{2, 3, 1, 2}, "tau multiplies; it should divide."}});
  check(gaps({7}, 1).empty(), "A single score has no gap.");
}

TASK("7.2") {
  for (const std::size_t i : {std::size_t(0), std::size_t(4), std::size_t(2)}) {
    Vector squares(5), plain(5), constant(5);
    for (std::size_t j = i; j < 4; ++j) {
      plain[j + 1] = plain[j] - d[j];
      squares[j + 1] = squares[j] - (2 * double(j - i) + 3) * d[j];
      constant[j + 1] = -(2 * double(j - i) + 1) * d[j];
    }
    for (std::size_t j = i; j > 0; --j) {
      plain[j - 1] = plain[j] - d[j - 1];
      squares[j - 1] = squares[j] - (2 * double(i - j) + 3) * d[j - 1];
      constant[j - 1] = -(2 * double(i - j) + 1) * d[j - 1];
    }
    check_near(
        "Row " + std::to_string(i) + " for the gaps (0.5, 0.75, 0.25, 0.5)", row_logits(d, i),
        formula(v, 2, i),
        {{plain, "The gaps are added, but without their factors 1, 3, 5, .. (away from item i)."},
         {squares, "The factors begin at 3. The first gap beside item i counts once: 1, 3, 5, .."},
         {constant,
          "Each item has its own gap only. The gaps add up along the way: begin at the "
          "logit of the item before."}});
  }
}

TASK("7.3") {
  std::size_t visited = 0;
  check_near("Row 1's mean without a cutoff", row_mean(v, d, 1, 1e9, visited),
             mean_by_formula(v, 2, 1), {{v[1], "Only item 1 itself has been counted."}});
  check(visited == 5, "Without a cutoff all 5 items are visited; `visited` grew by " +
                          std::to_string(visited) + ".");
  // Far gaps: only the item itself is near.
  const Vector far{100, 50, 0, -50}, wide{50, 50, 50};
  visited = 0;
  check_near("Row 2's mean for gaps of 50 and cutoff 38", row_mean(far, wide, 2, 38, visited), 0);
  check(visited == 1, "For gaps of 50 and cutoff 38 only item 2 counts, but " +
                          std::to_string(visited) +
                          " were visited. Logits only fall on the way: stop at the first that is "
                          "at or below -cutoff.");
  // Behind the cutoff stand gaps that no sorted scores have: who goes on gets rising logits.
  Vector rough(41), tricked(40, -1e9);
  for (std::size_t j = 0; j < 41; ++j) rough[j] = 20 - double(j);
  std::fill(tricked.begin() + 10, tricked.begin() + 30, 1.0);
  visited = 0;
  const double near = row_mean(rough, tricked, 20, 38, visited);
  check(std::abs(near) < 1e-9 && visited == 13,
        "Row 20 of scores with gaps of 1 looks at 13 items; yours went on behind the first whose "
        "logit is at or below "
        "-cutoff, where this test has put nonsense. Do not make the whole row (row_logits) first: "
        "walk from item i, and stop.");
  // Equal scores: all are.
  const Vector same(6, 1.0), none(5, 0.0);
  visited = 0;
  check_near("The mean of six equal scores", row_mean(same, none, 3, 38, visited), 1);
  check(visited == 6, "Of six equal scores all count, in each row.");
}

TASK("7.4") {
  const Vector s{0, 3, -1, 0.5, 2};
  Vector right;
  for (std::size_t i = 0; i < 5; ++i) right.push_back(mean_by_formula(v, 2, i));
  // What the walk gives for scores in another order.
  const auto walk = [](const Vector& scores) {
    Vector steps, y;
    for (std::size_t j = 0; j < 4; ++j) steps.push_back((scores[j] - scores[j + 1]) / 2);
    std::size_t visited = 0;
    for (std::size_t i = 0; i < 5; ++i) y.push_back(row_mean(scores, steps, i, 38, visited));
    return y;
  };
  const Vector wrong_way = walk({-1, 0, 0.5, 2, 3}), unsorted = walk(s);
  check_near(
      "The soft sorted values of (0, 3, -1, 0.5, 2) at tau = 2", soft_sorted(s, 2), right,
      {{Vector(right.rbegin(), right.rend()), "They rise: sort from the largest to the smallest."},
       {wrong_way,
        "std::sort sorts from the smallest; the gaps are then negative. Sort from the largest."},
       {unsorted, "The scores have not been sorted."}});
  // A matrix of 200,000 squared numbers would take 320 GB.
  Vector many(200000);
  for (std::size_t j = 0; j < many.size(); ++j) many[j] = double((j * 7919) % many.size());
  const Vector y = soft_sorted(many, 1);
  check_near("The middle of 200,000 scores 0, 1, 2, .., softly sorted,", y[100000], 99999);
}

TASK("7.5") {
  const Vector bar{1, -2, 0.5, 3, 10};
  for (const std::size_t i : {std::size_t(0), std::size_t(4), std::size_t(2)}) {
    Vector right(4), got(4), one_way;
    for (std::size_t k = 0; k < 4; ++k) {  // d logits / d d_k, from the definition
      Vector up = d;
      up[k] += 1;  // logits are linear in the gaps
      const auto walk = [&](const Vector& g, std::size_t j) {
        double sum = 0;
        for (std::size_t q = i; q < j; ++q) sum -= (2 * double(q - i) + 1) * g[q];
        for (std::size_t q = i; q > j; --q) sum -= (2 * double(i - q) + 1) * g[q - 1];
        return sum;
      };
      for (std::size_t j = 0; j < 5; ++j) right[k] += bar[j] * (walk(up, j) - walk(d, j));
    }
    Vector own(4);
    for (std::size_t k = 0; k < 4; ++k) {
      own[k] =
          k >= i ? -(2 * double(k - i) + 1) * bar[k + 1] : -(2 * double(i - k - 1) + 1) * bar[k];
    }
    add_gap_cotangents(bar, i, got);
    check_near(
        "What row " + std::to_string(i) + " gives the gaps", got, right,
        {{own,
          "Each gap gets the cotangent of the next item alone. But all items further away have it "
          "in their logits, too: keep a running sum from the far end."},
         {Vector(4), "Nothing is added to dbar."}});
    add_gap_cotangents(bar, i, got);
    check_near("After a second call, what row " + std::to_string(i) + " gives the gaps",
               got[3] + got[0], 2 * (right[3] + right[0]),
               {{right[3] + right[0], "Add to dbar, do not assign: all rows use the gaps."}});
  }
}

int main(int, char** argv) { return course::run(argv[1]); }
