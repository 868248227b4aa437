#include "ops/sorting/relaxation.hpp"

#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/permutation.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

const Method all_methods[] = {
    Method::neural_sort,    Method::neural_sort_smooth, Method::soft_sort,
    Method::sinkhorn,       Method::odd_even,           Method::bitonic,
    Method::fast_soft_sort, Method::fast_soft_rank,     Method::sparse_top_k,
    Method::lap_sum,        Method::black_box_rank,     Method::perturbed,
    Method::k_subset};

// Whose gradient is no derivative of their value: their own tests tell what it is.
bool jumps(Method method) {
  return method == Method::black_box_rank || method == Method::perturbed;
}

Relaxation with(Method method, double tau, bool hard = false,
                Direction direction = Direction::descending) {
  Relaxation r;
  r.method = method;
  r.tau = tau;
  r.hard = hard;
  r.direction = direction;
  return r;
}

}  // namespace

TEST_CASE("every output of every relaxation passes gradcheck, and float agrees with double") {
  std::vector<OpRow> rows;
  for (Method method : all_methods) {
    if (jumps(method)) continue;
    for (Direction direction : {Direction::descending, Direction::ascending}) {
      const Relaxation r = with(method, 0.7, false, direction);
      const std::string name = name_of(method);
      const Shape shape = method == Method::sinkhorn ? Shape{2, 4, 4} : Shape{2, 4};
      if (r.has_matrix()) {
        rows.push_back(
            {name + " matrix", {shape}, anywhere, [=](const auto& x) { return r.matrix(x[0]); }});
        rows.push_back(
            {name + " logits", {shape}, anywhere, [=](const auto& x) { return r.logits(x[0]); }});
      }
      if (r.has_sorted()) {
        rows.push_back(
            {name + " sorted", {shape}, anywhere, [=](const auto& x) { return r.sorted(x[0]); }});
      }
      if (r.has_ranks()) {
        rows.push_back(
            {name + " ranks", {shape}, anywhere, [=](const auto& x) { return r.ranks(x[0]); }});
      }
      if (r.has_top_k()) {
        rows.push_back(
            {name + " top_k", {shape}, anywhere, [=](const auto& x) { return r.top_k(x[0], 2); }});
      }
    }
  }
  check_rows(rows);
}

TEST_CASE(
    "every output of every relaxation is that of the valid items alone, where others are masked") {
  const ItemMask mask(Array<bool>{{true, true, false, true}, {false, false, false, false}});
  Generator random(5);
  const std::vector<std::size_t> items{0, 1, 3};
  for (Method method : all_methods) {
    CAPTURE(name_of(method));
    const bool matrices = method == Method::sinkhorn;
    // The same numbers, alone, and among ones that are not read.
    const Array<double> alone = random.normal<double>(matrices ? Shape{3, 3} : Shape{3});
    Array<double> input = full<double>(matrices ? Shape{2, 4, 4} : Shape{2, 4}, NAN);
    for (std::size_t i = 0; i < (matrices ? 3u : 1u); ++i) {
      for (std::size_t j = 0; j < 3; ++j) input.data()[i * 4 + items[j]] = alone.data()[i * 3 + j];
    }
    for (bool hard : {false, true}) {
      const Relaxation r = with(method, 0.7, hard);
      const auto check = [&](By by, const auto& among, const auto& by_itself) {
        Tape<double> tape;
        const Var<double> x = tape.leaf(input), part = tape.leaf(alone);
        const Var<double> y = among(x), expected = by_itself(part);
        std::size_t at = 0;
        const Array<bool> there = mask.where(by);
        REQUIRE(y.shape() == there.shape());
        for (std::size_t i = 0; i < y.size(); ++i) {
          const double value = there.data()[i] ? expected.value().data()[at++] : 0;
          CHECK(y.value().data()[i] == value);
        }
        tape.backward(y, random.normal<double>(y.shape()));
        for (std::size_t i = 0; i < input.size(); ++i) {
          if (std::isnan(input.data()[i])) CHECK(x.grad().data()[i] == 0);
        }
      };
      if (r.has_matrix()) {
        check(
            By::place_and_item, [&](auto& x) { return r.matrix(x, mask); },
            [&](auto& x) { return r.matrix(x); });
        check(
            By::place_and_item, [&](auto& x) { return r.logits(x, mask); },
            [&](auto& x) { return r.logits(x); });
      }
      if (r.has_top_k()) {
        check(
            By::item, [&](auto& x) { return r.top_k(x, 2, mask); },
            [&](auto& x) { return r.top_k(x, 2); });
        check(
            By::item, [&](auto& x) { return r.top_k(x, 4, mask); },
            [&](auto& x) { return r.top_k(x, 3); });
        check(
            By::item, [&](auto& x) { return r.top_k(x, 0, mask); },
            [&](auto& x) {
              return constant(zeros<double>({x.shape()[0], x.shape().back()}));
            });
      }
      if (r.has_sorted()) {
        check(
            By::place, [&](auto& x) { return r.sorted(x, mask); },
            [&](auto& x) { return r.sorted(x); });
      }
      if (r.has_ranks()) {
        check(
            By::item, [&](auto& x) { return r.ranks(x, mask); },
            [&](auto& x) { return r.ranks(x); });
      }
      Indices order{{0, 0, 0, 2}, {0, 1, 2, 3}};
      for (std::size_t i = 0; i < 3; ++i) {
        order(0, i) = Index(items[std::size_t(r.order(alone)(i))]);
      }
      CHECK(r.order(input, mask) == order);
    }
  }
  CHECK(error_of([&] {
          with(Method::lap_sum, 1).top_k(constant(zeros<double>({2, 4})), 5, mask);
        }) == "invalid_argument: lap_sum: k must be in 0 .. n, got 5 for n = 4");
}

TEST_CASE("the softmax of the logits is the matrix") {
  for (Method method : all_methods) {
    CAPTURE(name_of(method));
    for (Direction direction : {Direction::descending, Direction::ascending}) {
      for (double power : {1.0, 2.0}) {
        Relaxation r = with(method, 0.7, false, direction);
        r.power = power;
        if (!r.has_matrix()) continue;
        const Var<double> x = constant(
            Generator(3).normal<double>(method == Method::sinkhorn ? Shape{2, 5, 5} : Shape{2, 5}));
        const Array<double> P_hat = softmax(r.logits(x)).value(), expected = r.matrix(x).value();
        // Sinkhorn's last step is of the columns, so its rows are only nearly sums to one.
        CHECK(distance(P_hat, expected) < (method == Method::sinkhorn ? 1e-2 : 1e-12));
      }
    }
  }
  CHECK(error_of([] { with(Method::fast_soft_sort, 1).logits(constant(zeros<double>({3}))); }) ==
        "invalid_argument: fast_soft_sort: this relaxation defines no logits");
}

TEST_CASE("hard relaxations have the sort's value and the relaxation's gradient") {
  const Array<double> scores{{0.3, -1.0, 2.0}, {5.0, 7.0, 6.0}};  // 3-cycles, one of each kind
  const Indices down{{2, 0, 1}, {1, 2, 0}}, up{{1, 0, 2}, {0, 2, 1}};
  for (Method method : all_methods) {
    CAPTURE(name_of(method));
    if (method == Method::sinkhorn) continue;
    for (Direction direction : {Direction::descending, Direction::ascending}) {
      const bool ascending = direction == Direction::ascending;
      const Relaxation hard = with(method, 1.5, true, direction),
                       soft = with(method, 1.5, false, direction);
      CHECK(hard.order(scores) == (ascending ? up : down));
      const auto check = [&](const Array<double>& value, auto output) {
        Tape<double> tape;
        const Var<double> a = tape.leaf(scores), b = tape.leaf(scores);
        const Var<double> y = output(hard, a), y_soft = output(soft, b);
        CHECK(y.value() == value);
        if (method != Method::black_box_rank) CHECK(y_soft.value() != value);
        const Array<double> cotangent = Generator(4).normal<double>(value.shape());
        tape.backward(y, cotangent);
        tape.backward(y_soft, cotangent);
        CHECK(a.grad() == b.grad());
      };
      if (hard.has_matrix()) {
        check(permutation_matrix<double>(ascending ? up : down),
              [](const Relaxation& r, const Var<double>& x) { return r.matrix(x); });
      }
      if (hard.has_top_k()) {
        check(ascending ? Array<double>{{1.0, 1.0, 0.0}, {1.0, 0.0, 1.0}}
                        : Array<double>{{1.0, 0.0, 1.0}, {0.0, 1.0, 1.0}},
              [](const Relaxation& r, const Var<double>& x) { return r.top_k(x, 2); });
      }
      if (hard.has_sorted()) {
        check(ascending ? Array<double>{{-1.0, 0.3, 2.0}, {5.0, 6.0, 7.0}}
                        : Array<double>{{2.0, 0.3, -1.0}, {7.0, 6.0, 5.0}},
              [](const Relaxation& r, const Var<double>& x) { return r.sorted(x); });
      }
      if (hard.has_ranks()) {
        check(ascending ? Array<double>{{2.0, 1.0, 3.0}, {1.0, 3.0, 2.0}}
                        : Array<double>{{2.0, 3.0, 1.0}, {3.0, 1.0, 2.0}},
              [](const Relaxation& r, const Var<double>& x) { return r.ranks(x); });
      }
    }
  }
}

TEST_CASE("a hard Sinkhorn is the permutation nearest to it") {
  const Array<double> logits{{0.0, 0.2, 3.0}, {2.0, 0.5, 2.5}, {0.1, 1.0, 2.8}};
  const Relaxation r = with(Method::sinkhorn, 1.0, true);
  const Indices order{2, 0, 1};
  CHECK(r.order(logits) == order);
  CHECK(r.matrix(constant(logits)).value() == permutation_matrix<double>(order));
  CHECK(r.top_k(constant(logits), 1).value() == Array<double>{0.0, 0.0, 1.0});
}

TEST_CASE("every matrix is row-stochastic, and all tend to the same hard sort") {
  Generator random(18);
  const Array<double> scores = random.normal<double>({3, 6});
  for (Method method : all_methods) {
    CAPTURE(name_of(method));
    if (method == Method::sinkhorn) continue;
    const Relaxation warm = with(method, 0.5), cold = with(method, 1e-6),
                     hard = with(method, 1, true);
    const Var<double> s = constant(scores);
    if (warm.has_matrix()) CHECK(is_row_stochastic(warm.matrix(s).value(), 1e-12));
    if (warm.has_matrix()) CHECK(distance(cold.matrix(s).value(), hard.matrix(s).value()) < 1e-3);
    if (warm.has_sorted()) CHECK(distance(cold.sorted(s).value(), hard.sorted(s).value()) < 1e-3);
    if (warm.has_ranks()) CHECK(distance(cold.ranks(s).value(), hard.ranks(s).value()) < 1e-3);
  }
}

TEST_CASE("relaxations at ties: hard keeps the order of the indices, soft shares") {
  const Array<double> tied{1.0, 2.0, 1.0};
  for (Method method : {Method::neural_sort, Method::soft_sort, Method::lap_sum}) {
    CHECK(with(method, 1, true).order(tied) == Indices{1, 0, 2});
    const Array<double> P_hat = with(method, 1).matrix(constant(tied)).value();
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(P_hat(i, 0) == doctest::Approx(P_hat(i, 2)).epsilon(1e-12));
  }
}

TEST_CASE("relaxations at a small tau are the hard sort, or name tau") {
  const Var<double> s = constant(Array<double>{0.3, -1.0, 2.0, 0.5});
  for (Method method : {Method::neural_sort, Method::soft_sort, Method::odd_even, Method::bitonic,
                        Method::fast_soft_sort, Method::fast_soft_rank, Method::lap_sum}) {
    CAPTURE(name_of(method));
    Relaxation soft;
    soft.method = method;
    for (double tau : {1e-300, 3e-308}) {
      soft.tau = tau;
      Relaxation hard = soft;
      hard.hard = true;
      if (soft.has_matrix())
        CHECK(distance(soft.matrix(s).value(), hard.matrix(s).value()) < 1e-290);
      if (soft.has_sorted()) CHECK(soft.sorted(s).value() == hard.sorted(s).value());
      if (soft.has_ranks()) CHECK(soft.ranks(s).value() == hard.ranks(s).value());
      if (soft.has_top_k())
        CHECK(distance(soft.top_k(s, 2).value(), hard.top_k(s, 2).value()) < 1e-290);
    }
    soft.tau = 1e-310;
    const std::string error = error_of([&] { soft.has_ranks() ? soft.ranks(s) : soft.sorted(s); });
    CHECK(error.find(name_of(method) + std::string(": tau is 1e-310; need one between")) !=
          std::string::npos);
  }
}

TEST_CASE("relaxations of no sets, and of sets without items, are empty") {
  const auto empty = [](const Shape& shape, const auto& f) {
    Tape<float> tape;
    const Var<float> x = tape.leaf(zeros<float>(shape)), y = f(x);
    tape.backward(y, zeros<float>(y.shape()));
    return y.size() == 0 && x.grad().shape() == shape;
  };
  for (Method method : all_methods) {
    for (Shape shape : {Shape{0}, Shape{3, 0}, Shape{0, 4}}) {
      if (method == Method::sinkhorn) shape = extended(shape, {shape.back()});
      const Relaxation r = with(method, 0.5, /*hard=*/shape.size() == 2);
      CAPTURE(name_of(method));
      CAPTURE(to_text(shape));
      if (r.has_matrix()) CHECK(empty(shape, [&](auto& x) { return r.matrix(x); }));
      if (r.has_matrix()) CHECK(empty(shape, [&](auto& x) { return r.logits(x); }));
      if (r.has_sorted()) CHECK(empty(shape, [&](auto& x) { return r.sorted(x); }));
      if (r.has_ranks()) CHECK(empty(shape, [&](auto& x) { return r.ranks(x); }));
      if (r.has_top_k()) CHECK(empty(shape, [&](auto& x) { return r.top_k(x, 0); }));
    }
  }
}

TEST_CASE("relaxations have names, and say what they do not define") {
  for (Method method : all_methods) CHECK(method_named(name_of(method)) == method);
  CHECK(
      error_of([] { method_named("quick_sort"); }) ==
      "invalid_argument: relaxation: there is no method quick_sort; need one of neural_sort, "
      "neural_sort_smooth, soft_sort, sinkhorn, odd_even, bitonic, fast_soft_sort, fast_soft_rank, "
      "sparse_top_k, lap_sum, black_box_rank, perturbed, k_subset");
  const Var<float> s = constant(Array<float>{1.0f, 2.0f});
  CHECK(error_of([&] { with(Method::fast_soft_sort, 1).matrix(s); }) ==
        "invalid_argument: fast_soft_sort: this relaxation defines no matrix");
  CHECK(error_of([&] { with(Method::fast_soft_rank, 1).sorted(s); }) ==
        "invalid_argument: fast_soft_rank: this relaxation defines no sorted values");
  CHECK(error_of([&] { with(Method::sinkhorn, 1).ranks(s); }) ==
        "invalid_argument: sinkhorn: this relaxation defines no ranks");
  CHECK(error_of([&] { with(Method::bitonic, 1).top_k(s, 3); }) ==
        "invalid_argument: bitonic: k must be in 0 .. n, got 3 for n = 2");
  CHECK(error_of([&] { with(Method::soft_sort, -1).matrix(s); }) ==
        "invalid_argument: soft_sort: tau must be > 0 and finite, got -1");
}
