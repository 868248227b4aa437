// What every relaxation of sorting keeps, whatever the scores. The scores are drawn from a grid on
// which sums and differences are exact, so that what is compared has the same exact value, and ties
// are common. set_rows.hpp says which operator's formula does not keep what, and why.
//
// Stated bounds: two roundings of one formula differ by `bound`, relative to the larger of 1 and the
// largest number compared, in networks once for each layer, of which there are up to n; where only
// powers of two are multiplied, not by a bit, unless both are so small that something on their way
// may have underflowed.
#include <numeric>

#include "properties.hpp"
#include "set_rows.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

template <class T> constexpr double bound = std::is_same<T, float>::value ? 1e-5 : 1e-11;

constexpr std::size_t most = 40;  // items a set

rc::Gen<double> some_tau() { return rc::gen::element(0.0625, 0.25, 1.0, 4.0, 16.0); }

// A row's result for a set, and the gradient of <result, u>.
template <class T> struct Result { Array<T> value, gradient; };
template <class T>
Result<T> run(const SetRow& row, const Array<T>& scores, double tau, const Array<T>& u) {
  auto y = evaluate<T>([&](const Inputs<T>& x) { return row.f<T>()(x[0], T(tau)); }, {scores},
                       [&](const Shape&) { return u; });
  return {std::move(y.value), std::move(y.gradients[0])};
}
// With a cotangent in which no two elements agree.
template <class T> Result<T> run(const SetRow& row, const Array<T>& scores, double tau) {
  const std::size_t n = scores.size();
  const Shape shape = row.kind == Kind::number   ? Shape{}
                      : row.kind == Kind::matrix ? Shape{n, n}
                                                 : Shape{n};
  return run(row, scores, tau, some_cotangent<T>(shape));
}

// The columns of x (.., n) that stand at `items`.
template <class T> Array<T> columns(const Array<T>& x, const std::vector<std::size_t>& items) {
  const std::size_t n = x.shape().back(), rows = x.size() / n;
  Shape shape = x.shape();
  shape.back() = items.size();
  Array<T> y = uninitialized<T>(shape);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < items.size(); ++j) {
      y.data()[i * items.size() + j] = x.data()[i * n + items[j]];
    }
  }
  return y;
}
// A result, seen from such items.
template <class T>
Array<T> of_items(Kind kind, const Array<T>& x, const std::vector<std::size_t>& items) {
  return kind == Kind::items || kind == Kind::matrix ? columns(x, items) : x;
}

template <class T>
void require_near(const char* what, const Array<T>& a, const Array<T>& b, double tolerance) {
  const double difference = distance(convert<double>(a), convert<double>(b));
  if (difference <= tolerance) return;
  fail_case(what, " differs by ", difference, ": ", list(a), " instead of ", list(b));
}

// a == factor b, bit for bit.
template <class T>
void require_scaled(const char* what, const Array<T>& a, T factor, const Array<T>& b) {
  const T tiny = std::sqrt(std::numeric_limits<T>::min());
  for (std::size_t i = 0; i < b.size(); ++i) {
    const T x = a.data()[i], y = factor * b.data()[i];
    if (same_number(x, y) || (std::abs(x) < tiny && std::abs(y) < tiny)) continue;
    fail_case(what, " is ", list(a), " instead of ", factor, " * ", list(b));
  }
}

// The gradient by score: where scores are equal, each has the sum of theirs.
template <class T> Array<T> tied(const Array<T>& gradient, const Array<T>& scores) {
  Array<T> sums = zeros<T>(gradient.shape());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t j = 0; j < sums.size(); ++j) {
      if (scores.data()[i] == scores.data()[j]) sums.data()[i] += gradient.data()[j];
    }
  }
  return sums;
}

template <class Check> void for_rows_and_types(bool Keeps::*kept, const Check& check) {
  for (const SetRow& row : set_rows()) {
    if (!(row.keeps.*kept)) continue;
    check_property(row.name + ", float", [&] { check(row, float()); });
    check_property(row.name + ", double", [&] { check(row, double()); });
  }
}

// --- the properties, of a row and a number of the type

const auto order_is_free = [](const SetRow& row, auto type) {
  using T = decltype(type);
  const auto s = *numbers(grid_number(), most);
  const double tau = *some_tau();
  std::vector<std::size_t> items(s.size());
  std::iota(items.begin(), items.end(), std::size_t(0));
  // A Fisher-Yates shuffle, drawn step by step.
  for (std::size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[*rc::gen::inRange<std::size_t>(0, i)]);
  }
  const Array<T> scores = array_of<T>(s);
  const Result<T> before = run(row, scores, tau);
  const Array<T> u = of_items(row.kind, some_cotangent<T>(before.value.shape()), items);
  const Array<T> permuted = columns(scores, items);
  const Result<T> after = run(row, permuted, tau, u);
  require_near("the result", after.value, of_items(row.kind, before.value, items), bound<T>);
  const Array<T> gradient = columns(before.gradient, items);
  if (row.keeps.ties) {
    require_near("the gradient", after.gradient, gradient, bound<T>);
  } else {
    require_near("the gradient", tied(after.gradient, permuted), tied(gradient, permuted),
                 bound<T>);
  }
};

const auto shift_changes_nothing = [](const SetRow& row, auto type) {
  using T = decltype(type);
  const Array<T> scores = array_of<T>(*numbers(grid_number(), most));
  const double tau = *some_tau();
  const T shift = T(*rc::gen::element(16.0, -1024.0, 65536.0));  // exact sums, in float, too
  const Result<T> before = run(row, scores, tau);
  const Result<T> after = run(row, Array<T>(scores + shift), tau);
  const bool moves = row.kind == Kind::places || row.kind == Kind::number;
  const Array<T> expected = moves ? Array<T>(before.value + shift) : before.value;
  const double layers = is_network(row) ? double(scores.size()) : 1;
  require_near("the result", after.value, expected, layers * bound<T>);
  require_near("the gradient", after.gradient, before.gradient, layers * bound<T>);
};

const auto scale_changes_nothing = [](const SetRow& row, auto type) {
  using T = decltype(type);
  const Array<T> scores = array_of<T>(*numbers(grid_number(), most));
  const double tau = *some_tau();
  const T scale = T(*rc::gen::element(2.0, 0.5, 1024.0, 1.0 / 65536));
  const Result<T> before = run(row, scores, tau);
  const Result<T> after = run(row, Array<T>(scores * scale), tau * double(scale));
  const bool grows = row.kind == Kind::places || row.kind == Kind::number;
  const T factor = grows ? scale : T(1), slope = grows ? T(1) : 1 / scale;
  if (row.name == "soft_sort, power 3") {  // whose tau^(1/3) is rounded
    require_near("the result", after.value, before.value, bound<T>);
    return require_near("the gradient", Array<T>(after.gradient * scale), before.gradient,
                        bound<T>);
  }
  require_scaled("the result", after.value, factor, before.value);
  require_scaled("the gradient", after.gradient, slope, before.gradient);
};

const auto mask_changes_nothing = [](const SetRow& row, auto type) {
  using T = decltype(type);
  auto s = *numbers(grid_number(), most);
  const double tau = *some_tau();
  const std::size_t n = s.size(), place = *rc::gen::inRange<std::size_t>(0, n + 1);
  const Array<T> scores = array_of<T>(s);
  s.insert(s.begin() + std::ptrdiff_t(place), -1e30);
  std::vector<std::size_t> others(n);
  for (std::size_t i = 0; i < n; ++i) others[i] = i + (i >= place);

  const Result<T> before = run(row, scores, tau);
  const Array<T> u = some_cotangent<T>(before.value.shape());
  // The same cotangent for the others; zero for the masked item, and for the last place.
  const bool by_place = row.kind == Kind::places || row.kind == Kind::matrix;
  const bool by_item = row.kind == Kind::items || row.kind == Kind::matrix;
  Shape shape = u.shape();
  for (std::size_t& extent : shape) ++extent;
  Array<T> masked_u = zeros<T>(shape);
  const auto at = [&](std::size_t i, std::size_t j) {  // place i, item j, in the larger result
    return (by_place ? i : 0) * (by_place && by_item ? n + 1 : 1) + (by_item ? others[j] : 0);
  };
  const std::size_t rows = by_place ? n : 1, items = by_item ? n : 1;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < items; ++j) masked_u.data()[at(i, j)] = u.data()[i * items + j];
  }
  const Result<T> after = run(row, array_of<T>(s), tau, masked_u);
  Array<T> value = uninitialized<T>(u.shape());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < items; ++j)
      value.data()[i * items + j] = after.value.data()[at(i, j)];
  }
  require_near("the others' result", value, before.value, bound<T>);
  require_near("the others' gradient", columns(after.gradient, others), before.gradient, bound<T>);
};

}  // namespace

TEST_CASE("property: permuting the items permutes the result and the gradient") {
  for_rows_and_types(&Keeps::order, order_is_free);
}

TEST_CASE("property: adding a constant to the scores changes nothing") {
  for_rows_and_types(&Keeps::shift, shift_changes_nothing);
}

TEST_CASE("property: a power of two times scores and tau changes no bit") {
  for_rows_and_types(&Keeps::scale, scale_changes_nothing);
}

TEST_CASE("property: an item with the score -1e30 changes nothing for the others") {
  for_rows_and_types(&Keeps::mask, mask_changes_nothing);
}
