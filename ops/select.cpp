#include "ops/select.hpp"

#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "ops/binary.hpp"

namespace tapesort {

namespace {

using std::abs, std::isfinite, std::log, std::pow;

constexpr std::size_t powers_worth_sharing = 1 << 11;

// std::pow knows every special case; it has no vector form that does.
template <class T> Array<T> power(const Array<T>& base, const Array<T>& exponent) {
  Array<T> y = uninitialized<T>(base.shape());
  parallel_each(y.size(), powers_worth_sharing,
                [&](std::size_t i) { y.data()[i] = pow(base.data()[i], exponent.data()[i]); });
  return y;
}

}  // namespace

// The gradients are products of up to three factors, any two of which may be out of range where the
// product is not: double has room for float's. (A value that had none is computed again.)
template <class T> Var<T> pow(const Var<T>& base, const Var<T>& exponent) {
  const Shape shape = broadcast_shape("pow", base.shape(), exponent.shape());
  Array<T> value = power(*Stretched<T>("pow", base.value(), shape),
                         *Stretched<T>("pow", exponent.value(), shape));
  return record("pow", {base, exponent}, std::move(value), [shape](Node<T>& y) {
    const Stretched<T> stretched_a("pow", y.input(0).value(), shape);
    const Stretched<T> stretched_b("pow", y.input(1).value(), shape);
    const bool both = y.input(1).needs_grad();  // not with a number for exponent
    Array<T> abar = zeros<T>(shape), bbar = both ? zeros<T>(shape) : Array<T>();
    parallel_each(abar.size(), powers_worth_sharing, [&](std::size_t i) {
      const Wide<T> a = (*stretched_a).data()[i], b = (*stretched_b).data()[i];
      const Wide<T> ybar = y.cotangent().data()[i];
      if (b != 0) abar.data()[i] = T(ybar * b * pow(a, b - 1));
      if (a == 0 || !both) return;
      const T value = y.value().data()[i], size = abs(value);
      const bool in_range = size >= std::numeric_limits<T>::min() && isfinite(size);
      bbar.data()[i] = T(ybar * (in_range ? Wide<T>(value) : pow(a, b)) * log(a));
    });
    accumulate(y.input(0), std::move(abar));
    accumulate(y.input(1), std::move(bbar));
  });
}

namespace {

// maximum and minimum: `better(a, b)` when a wins. A NaN wins against every number.
template <class T, class Better>
Var<T> winner(const char* op, const Var<T>& a, const Var<T>& b, Better better) {
  const auto wins = [better](auto a, auto b) { return better(a, b) || simd::isnan(a); };
  const auto share = [wins](auto cbar, auto a, auto b) {  // a's
    return simd::select(wins(b, a), simd::select(wins(a, b), cbar * T(0.5), T(0)),
                        simd::select(wins(a, b), cbar, cbar * T(0.5)));
  };
  return binary(
      op, a, b, [wins](auto a, auto b) { return simd::select(wins(a, b), a, b); },
      [share](auto cbar, auto a, auto b, auto) { return share(cbar, a, b); },
      [share](auto cbar, auto a, auto b, auto) { return share(cbar, b, a); });
}

}  // namespace

template <class T> Var<T> maximum(const Var<T>& a, const Var<T>& b) {
  return winner("maximum", a, b, [](auto a, auto b) { return a > b; });
}

template <class T> Var<T> minimum(const Var<T>& a, const Var<T>& b) {
  return winner("minimum", a, b, [](auto a, auto b) { return a < b; });
}

template <class T> Var<T> clip(const Var<T>& x, Converted<T> low, Converted<T> high) {
  require(low <= high, "clip: need low <= high, got ", low, " and ", high);
  return unary(
      {"clip", double(low), double(high)}, x,
      [low, high](auto x) { return simd::select(x < low, low, simd::select(x > high, high, x)); },
      [low, high](auto ybar, auto x, auto) {
        return simd::select(x < low || x > high, T(0), ybar);
      });
}

template <class T> Var<T> where(const Var<T>& condition, const Var<T>& a, const Var<T>& b) {
  const Shape shape =
      broadcast_shape("where", broadcast_shape("where", a.shape(), b.shape()), condition.shape());
  Array<T> chosen = *Stretched<T>("where", condition.value(), shape);
  Array<T> value = map(
      chosen, *Stretched<T>("where", a.value(), shape), *Stretched<T>("where", b.value(), shape),
      [](auto c, auto a, auto b) { return simd::select(c == decltype(c)(0), b, a); });
  return record("where", {a, b}, std::move(value), [chosen = std::move(chosen)](Node<T>& y) {
    const Var<T>&a = y.input(0), b = y.input(1);
    const auto if_nonzero = [](auto c, auto ybar) {
      return simd::select(c == decltype(c)(0), T(0), ybar);
    };
    const auto if_zero = [](auto c, auto ybar) {
      return simd::select(c == decltype(c)(0), ybar, T(0));
    };
    if (a.needs_grad()) accumulate(a, map(chosen, y.cotangent(), if_nonzero));
    if (b.needs_grad()) accumulate(b, map(chosen, y.cotangent(), if_zero));
  });
}

template <class T> Var<T> greater(const Var<T>& a, const Var<T>& b) {
  return constant<T>(zip("greater", a.value(), b.value(),
                         [](auto a, auto b) { return simd::select(a > b, decltype(a)(1), 0); }));
}

template <class T> Var<T> stop_gradient(const Var<T>& x) { return constant(x.value()); }

template <class T> Var<T> straight_through(const Array<T>& hard, const Var<T>& soft) {
  require_same_shape("straight_through", "hard", hard.shape(), "soft", soft.shape());
  return record("straight_through", {soft}, hard, [](Node<T>& y) { y.pass_on(y.input(0)); });
}

template <class T> using OfTwo = Var<T>(const Var<T>&, const Var<T>&);
INSTANTIATE_OVERLOAD_TWICE(pow, OfTwo<T>)
INSTANTIATE_OVERLOAD_TWICE(maximum, OfTwo<T>)
INSTANTIATE_OVERLOAD_TWICE(minimum, OfTwo<T>)
INSTANTIATE_OVERLOAD_TWICE(where, Var<T>(const Var<T>&, const Var<T>&, const Var<T>&))
INSTANTIATE_TWICE(clip)
INSTANTIATE_TWICE(greater)
INSTANTIATE_TWICE(stop_gradient)
INSTANTIATE_TWICE(straight_through)

}  // namespace tapesort
