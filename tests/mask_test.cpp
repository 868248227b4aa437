// What an operator gives for a masked set is what it gives for the valid items alone, bit for bit.
#include "ops/mask.hpp"

#include <limits>

#include "properties.hpp"
#include "set_rows.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

By by_of(Kind kind) {
  switch (kind) {
    case Kind::items:
      return By::item;
    case Kind::places:
      return By::place;
    case Kind::matrix:
      return By::place_and_item;
    default:
      return By::set;
  }
}

// Four sets of 6: all items, none, and two of four.
const Array<bool> some_valid{{true, true, true, true, true, true},
                             {false, true, true, false, true, true},
                             {false, false, false, false, false, false},
                             {true, false, true, true, false, true}};

template <class T> std::vector<T> extremes() {
  using Limits = std::numeric_limits<T>;
  return {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), Limits::max(), T(-1e30)};
}

// The full array in which the results of valid items alone stand where they belong, by the
// definition: one set after the other.
template <class T>
Array<T> embedded(const ItemMask& mask, By by, const std::vector<Array<T>>& alone) {
  const std::size_t n = mask.shape().back();
  Shape shape = mask.shape();
  if (by == By::set) shape.pop_back();
  if (by == By::place_and_item) shape.push_back(n);
  Array<T> full = zeros<T>(shape);
  for (std::size_t set = 0; set < alone.size(); ++set) {
    std::vector<std::size_t> items;
    for (std::size_t j = 0; j < n; ++j) {
      if (mask.valid().data()[set * n + j]) items.push_back(j);
    }
    const std::size_t m = items.size();
    for (std::size_t i = 0; i < m; ++i) {
      if (by == By::item) full.data()[set * n + items[i]] = alone[set].data()[i];
      if (by == By::place) full.data()[set * n + i] = alone[set].data()[i];
      for (std::size_t j = 0; by == By::place_and_item && j < m; ++j) {
        full.data()[(set * n + i) * n + items[j]] = alone[set].data()[i * m + j];
      }
    }
    if (by == By::set && m > 0) full.data()[set] = alone[set].data()[0];
  }
  return full;
}

// The elements of the set's part of x where `there` is true.
template <class T>
Array<T> valid_of(const Array<bool>& there, const Array<T>& x, std::size_t set, std::size_t sets) {
  std::vector<double> kept;
  const std::size_t size = x.size() / sets;
  for (std::size_t at = set * size; at < (set + 1) * size; ++at) {
    if (there.data()[at]) kept.push_back(double(x.data()[at]));
  }
  return array_of<T>(kept);
}

template <class T> void check_every_operator() {
  Generator random(1);
  const ItemMask mask(some_valid);
  const std::size_t n = 6, sets = 4;
  Array<T> scores = random.normal<T>({sets, n});
  const std::vector<T> extreme = extremes<T>();
  for (std::size_t i = 0, next = 0; i < scores.size(); ++i) {
    if (!some_valid.data()[i]) scores.data()[i] = extreme[next++ % extreme.size()];
  }
  for (const SetRow& row : set_rows()) {
    CAPTURE(row.name);
    const By by = by_of(row.kind);
    const auto op = [&](const Var<T>& s) { return row.f<T>()(s, T(0.3)); };
    Tape<T> tape;
    const Var<T> s = tape.leaf(scores), y = masked(mask, by, op, s);
    const Array<T> u = random.normal<T>(y.shape());
    tape.backward(y, u);
    std::vector<Array<T>> values(sets), gradients(sets);
    for (std::size_t set = 0; set < sets; ++set) {
      Tape<T> alone;
      const Var<T> x = alone.leaf(valid_of(some_valid, scores, set, sets));
      if (x.size() == 0) continue;
      const Var<T> y = op(x);
      values[set] = y.value();
      alone.backward(y, with_shape(valid_of(mask.where(by), u, set, sets), y.shape()));
      gradients[set] = x.grad();
    }
    CHECK(same_numbers(y.value(), embedded(mask, by, values)));
    CHECK(s.grad() == embedded(mask, By::item, gradients));  // but for the sign of a 0
  }
}

}  // namespace

TEST_CASE("a masked set has, bit for bit, what its valid items have alone, whatever is masked") {
  check_every_operator<float>();
  check_every_operator<double>();
}

TEST_CASE("where results stand among n") {
  const ItemMask mask(Array<bool>{{false, true, true}, {false, false, false}});
  const auto joined = [&](By by, const Array<double>& part) {
    return mask.join<double>({constant(part)}, by).value();
  };
  CHECK(joined(By::item, {{1.0, 2.0}}) == Array<double>{{0.0, 1.0, 2.0}, {0.0, 0.0, 0.0}});
  CHECK(joined(By::place, {{1.0, 2.0}}) == Array<double>{{1.0, 2.0, 0.0}, {0.0, 0.0, 0.0}});
  CHECK(joined(By::set, {1.0}) == Array<double>{1.0, 0.0});
  CHECK(joined(By::set, {{1.0, 2.0, 3.0}}) == Array<double>{{1.0, 2.0, 3.0}, {0.0, 0.0, 0.0}});
  CHECK(joined(By::place_and_item, {{{1.0, 2.0}, {3.0, 4.0}}}) ==
        Array<double>{{{0.0, 1.0, 2.0}, {0.0, 3.0, 4.0}, {0.0, 0.0, 0.0}},
                      {{0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}}});
  CHECK(mask.where(By::item) == mask.valid());
  CHECK(mask.where(By::place) == Array<bool>{{true, true, false}, {false, false, false}});
  CHECK(mask.where(By::set) == Array<bool>{true, false});
  CHECK(mask.counts() == Indices{2, 0});
  CHECK(ItemMask::of_lengths({1, 0, 3}, 3).valid() ==
        Array<bool>{{true, false, false}, {false, false, false}, {true, true, true}});
  CHECK(mask.repeated({2}).counts() == Indices{{2, 0}, {2, 0}});
}

TEST_CASE("masks pass gradcheck, and float agrees with double") {
  std::vector<OpRow> rows;
  const ItemMask mask(some_valid);
  for (const By by : {By::item, By::place, By::place_and_item, By::set}) {
    Shape shape = by == By::set              ? Shape{4}
                  : by == By::place_and_item ? Shape{4, 6, 6}
                                             : Shape{4, 6};
    for (const bool more_axes : {false, true}) {
      if (more_axes) shape.push_back(2);
      rows.push_back({"split and join", {shape}, anywhere, [=](const auto& x) {
                        auto parts = mask.split(x[0], by);
                        for (auto& part : parts) part = square(part);
                        return mask.join(parts, by);
                      }});
    }
  }
  // As many groups as sets.
  const ItemMask lengths = ItemMask::of_lengths({{4, 1, 0}, {5, 3, 2}}, 5);
  rows.push_back({"masked softmax", {{2, 3, 5}}, anywhere, [=](const auto& x) {
                    return masked(
                        lengths, By::item, [](auto& x) { return softmax(x); }, x[0]);
                  }});
  rows.push_back({"masked, of two", {{2, 3, 5}, {2, 3, 5, 2}}, anywhere, [=](const auto& x) {
                    return masked(
                        lengths, By::place,
                        [](auto& s, auto& X) { return neural_sort_payload(s, X, 1.0); }, x[0],
                        x[1]);
                  }});
  check_rows(rows);
}

TEST_CASE("an Array is split as a Var is") {
  const ItemMask mask = ItemMask::of_lengths({2, 1, 2}, 2);
  const Array<double> x{{1.0, 2.0}, {3.0, NAN}, {4.0, 5.0}};
  const auto parts = mask.split(x);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0] == full<double>({1, 1}, 3.0));
  CHECK(parts[1] == Array<double>{{1.0, 2.0}, {4.0, 5.0}});
  for (std::size_t i = 0; i < 2; ++i) CHECK(mask.split(constant(x))[i].value() == parts[i]);
  const Array<double> first =
      masked(
          mask, By::set, [](auto& x, auto& y) { return sum(x * y, -1); }, constant(x), x)
          .value();
  CHECK(first == Array<double>{5.0, 9.0, 41.0});
}

TEST_CASE("masked sets that have no items have 0, and none at all is a constant") {
  const ItemMask mask = ItemMask::of_lengths({0, 0}, 3);
  Tape<double> tape;
  const Var<double> s = tape.leaf(full<double>({2, 3}, NAN));
  const Var<double> y = masked(
      mask, By::place, [](auto& s) { return neural_sort_values(s, 1.0); }, s);
  CHECK(y.value() == zeros<double>({2, 3}));
  CHECK_FALSE(y.needs_grad());
  CHECK(ItemMask::of_lengths({0, 0}, 0).counts() == Indices{0, 0});
}

TEST_CASE("orders of masked sets are permutations, with masked items last") {
  const ItemMask mask(some_valid);
  const Indices order{
      {5, 3, 1, 0, 2, 4}, {4, 1, 5, 2, 0, 3}, {0, 1, 2, 3, 4, 5}, {5, 0, 3, 2, 1, 4}};
  const auto parts = mask.split_order(order);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0] == Indices{{2, 0, 3, 1}, {3, 0, 2, 1}});  // of the items 1 2 4 5, and 0 2 3 5
  CHECK(parts[1] == Indices{{5, 3, 1, 0, 2, 4}});
  CHECK(mask.join_order(parts) == order);
  const Indices first{{5, 3}, {4, 1}, {-1, -1}, {5, 0}};
  CHECK(mask.split_order(first)[0] == Indices{{2, 0}, {3, 0}});
}

TEST_CASE("masks say what does not fit") {
  const ItemMask mask = ItemMask::of_lengths({2, 1}, 3);
  const auto id = [](const auto& x) { return x; };
  CHECK(error_of([] { ItemMask(scalar(true)); }) ==
        "invalid_argument: ItemMask: valid is 0-d; need (.., n)");
  CHECK(error_of([] {
          ItemMask::of_lengths({1, 4}, 3);
        }) == "invalid_argument: ItemMask: length 1 is 4; need 0 <= length <= n = 3");
  CHECK(error_of([&] {
          masked(mask, By::item, id, constant(zeros<float>({3, 2})));
        }) ==
        "invalid_argument: masked: an operand is (3, 2), the mask is (2, 3); need one of shape (2, "
        "3), which may have more axes behind");
  const Var<float> scores = constant(zeros<float>({2, 3}));
  CHECK(error_of([&] { masked(mask, By::set, id, scores); }) ==
        "invalid_argument: masked: the operator gave (1, 2) for 1 sets of 2 items; need (1, 1)");
  CHECK(error_of([&] { masked(mask, By::place_and_item, id, scores); }) ==
        "invalid_argument: masked: the operator gave (1, 1) for 1 sets of 1 items; need (1, 1, 1)");
  const Var<float> nan = constant(Array<float>{{0.0f, 0.0f, 0.0f}, {NAN, 0.0f, 0.0f}});
  CHECK(error_of([&] {
          masked(
              mask, By::item, [](auto& s) { return lap_sum_rank(s, 1.0); }, nan);
        })
            .find("score 0 of row 0 is nan; need finite scores (a mask leaves out items that are "
                  "not there) (rows are here the sets with 1 valid items: 1)") !=
        std::string::npos);
  CHECK(error_of([&] { mask.join<float>({}, By::item); }) ==
        "invalid_argument: masked: got 0 results for 2 groups of sets");
  CHECK(error_of([&] {
          mask.split_order({{0, 1, 2}, {1, 0, 2}});
        }) ==
        "invalid_argument: masked: row 1 has item 1 at place 0; need one of its 1 valid items of 0 "
        ".. "
        "2");
  CHECK(
      error_of([&] {
        mask.split_order({0, 1});
      }) ==
      "invalid_argument: masked: an order is (2), the mask is (2, 3); need (.., k) with k <= n in "
      "the mask's shape");
  CHECK(error_of([&] {
          mask.join_order({zeros<Index>({1, 1}), Indices{{0, 2}}});
        }) == "invalid_argument: masked: an order has item 2; need 0 <= item < 2");
}
