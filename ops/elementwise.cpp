#include "ops/elementwise.hpp"

#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "ops/map.hpp"

namespace tapesort {
namespace {

// f(a, b), stretching what has another shape than the result.
template <class T, class F> Array<T> zip(const char* op, const Var<T>& a, const Var<T>& b, F f) {
  const Array<T>&x = a.value(), &y = b.value();
  if (x.shape() == y.shape()) return map(x, y, f);
  const Shape shape = broadcast_shape(op, x.shape(), y.shape());
  return map(*Stretched<T>(op, x, shape), *Stretched<T>(op, y, shape), f);
}

// y = f(x), and xbar = vjp(ybar, x, y).
template <class T, class F, class Vjp> Var<T> unary(const char* op, const Var<T>& x, F f, Vjp vjp) {
  return record(op, {x}, map(x.value(), f), [vjp](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.input(0).value(), y.value(), vjp));
  });
}

// c = f(a, b), and abar = a_vjp(cbar, a, b, c), bbar = b_vjp(cbar, a, b, c).
template <class T, class F, class AVjp, class BVjp>
Var<T> binary(const char* op, const Var<T>& a, const Var<T>& b, F f, AVjp a_vjp, BVjp b_vjp) {
  return record(op, {a, b}, zip(op, a, b, f), [a_vjp, b_vjp](Node<T>& c) {
    const Stretched<T> a(c.op(), c.input(0).value(), c.value().shape());
    const Stretched<T> b(c.op(), c.input(1).value(), c.value().shape());
    const auto pull = [&](const Var<T>& input, const auto& vjp) {
      if (input.needs_grad()) accumulate(input, map(c.cotangent(), *a, *b, c.value(), vjp));
    };
    pull(c.input(0), a_vjp);
    pull(c.input(1), b_vjp);
  });
}

constexpr auto negative = [](auto x) { return -x; };

}  // namespace

// Both pass on the cotangent that they get, which need not be copied.
template <class T> Var<T> operator+(const Var<T>& a, const Var<T>& b) {
  const auto plus = [](auto a, auto b) { return a + b; };
  return record("add", {a, b}, zip("add", a, b, plus), [](Node<T>& c) {
    accumulate(c.input(0), c.cotangent());
    accumulate(c.input(1), c.take_cotangent());
  });
}

template <class T> Var<T> operator-(const Var<T>& a, const Var<T>& b) {
  const auto minus = [](auto a, auto b) { return a - b; };
  return record("sub", {a, b}, zip("sub", a, b, minus), [](Node<T>& c) {
    if (c.input(1).needs_grad()) accumulate(c.input(1), map(c.cotangent(), negative));
    accumulate(c.input(0), c.take_cotangent());
  });
}

template <class T> Var<T> operator*(const Var<T>& a, const Var<T>& b) {
  return binary(
      "mul", a, b, [](auto a, auto b) { return a * b; },
      [](auto cbar, auto, auto b, auto) { return cbar * b; },
      [](auto cbar, auto a, auto, auto) { return cbar * a; });
}

template <class T> Var<T> operator/(const Var<T>& a, const Var<T>& b) {
  return binary(
      "div", a, b, [](auto a, auto b) { return a / b; },
      [](auto cbar, auto, auto b, auto) { return cbar / b; },
      [](auto cbar, auto, auto b, auto c) { return -(cbar / b) * c; });
}

// --- with a plain number c

template <class T> Var<T> operator+(const Var<T>& x, Number<T> c) {
  return record("add", {x}, map(x.value(), [c](auto x) { return x + c; }),
                [](Node<T>& y) { accumulate(y.input(0), y.take_cotangent()); });
}

template <class T> Var<T> operator*(const Var<T>& x, Number<T> c) {
  return unary(
      "mul", x, [c](auto x) { return x * c; }, [c](auto ybar, auto, auto) { return ybar * c; });
}

template <class T> Var<T> operator/(const Var<T>& x, Number<T> c) {
  return unary(
      "div", x, [c](auto x) { return x / c; }, [c](auto ybar, auto, auto) { return ybar / c; });
}

template <class T> Var<T> operator-(Number<T> c, const Var<T>& x) {
  return unary(
      "sub", x, [c](auto x) { return c - x; }, [](auto ybar, auto, auto) { return -ybar; });
}

template <class T> Var<T> operator/(Number<T> c, const Var<T>& x) {
  return unary(
      "div", x, [c](auto x) { return c / x; },
      [](auto ybar, auto x, auto y) { return -ybar * y / x; });
}

// --- of one operand

template <class T> Var<T> operator-(const Var<T>& x) {
  return unary("neg", x, negative, [](auto ybar, auto, auto) { return -ybar; });
}

template <class T> Var<T> exp(const Var<T>& x) {
  return unary(
      "exp", x, [](auto x) { return simd::exp(x); },
      [](auto ybar, auto, auto y) { return ybar * y; });
}

template <class T> Var<T> log(const Var<T>& x) {
  return unary(
      "log", x, [](auto x) { return simd::log(x); },
      [](auto ybar, auto x, auto) { return ybar / x; });
}

template <class T> Var<T> sqrt(const Var<T>& x) {
  return unary(
      "sqrt", x, [](auto x) { return simd::sqrt(x); },
      [](auto ybar, auto, auto y) { return ybar / (T(2) * y); });
}

template <class T> Var<T> square(const Var<T>& x) {
  return unary(
      "square", x, [](auto x) { return x * x; },
      [](auto ybar, auto x, auto) { return T(2) * ybar * x; });
}

template <class T> Var<T> abs(const Var<T>& x) {
  return unary(
      "abs", x, [](auto x) { return simd::abs(x); },
      [](auto ybar, auto x, auto) {
        return simd::select(x < T(0), -ybar, simd::select(x == T(0), T(0), ybar));
      });
}

namespace {

// std::pow knows every special case; it has no vector form that does.
template <class T> Array<T> power(const Array<T>& base, const Array<T>& exponent) {
  Array<T> y = uninitialized<T>(base.shape());
  for (std::size_t i = 0; i < y.size(); ++i) {
    y.data()[i] = std::pow(base.data()[i], exponent.data()[i]);
  }
  return y;
}

}  // namespace

// The gradients are products of up to three factors, any two of which may be out of range where the
// product is not: double has room for float's.
template <class T> Var<T> pow(const Var<T>& x, Number<T> p) {
  return record("pow", {x}, power(x.value(), full<T>(x.shape(), p)), [p](Node<T>& y) {
    if (p == T(0)) return;  // constant 1; 0 * 0^-1 would be NaN
    const T *x = y.input(0).value().data(), *ybar = y.cotangent().data();
    Array<T> xbar = uninitialized<T>(y.value().shape());
    for (std::size_t i = 0; i < xbar.size(); ++i) {
      xbar.data()[i] = T(double(ybar[i]) * double(p) * std::pow(double(x[i]), double(p) - 1));
    }
    accumulate(y.input(0), std::move(xbar));
  });
}

template <class T> Var<T> pow(const Var<T>& base, const Var<T>& exponent) {
  const Shape shape = broadcast_shape("pow", base.shape(), exponent.shape());
  Array<T> value = power(*Stretched<T>("pow", base.value(), shape),
                         *Stretched<T>("pow", exponent.value(), shape));
  return record("pow", {base, exponent}, std::move(value), [shape](Node<T>& y) {
    const Stretched<T> stretched_a("pow", y.input(0).value(), shape);
    const Stretched<T> stretched_b("pow", y.input(1).value(), shape);
    Array<T> abar = zeros<T>(shape), bbar = zeros<T>(shape);
    for (std::size_t i = 0; i < abar.size(); ++i) {
      const double a = double((*stretched_a).data()[i]), b = double((*stretched_b).data()[i]);
      const double ybar = double(y.cotangent().data()[i]), value = double(y.value().data()[i]);
      if (b != 0) abar.data()[i] = T(ybar * b * std::pow(a, b - 1));
      if (a != 0) bbar.data()[i] = T(ybar * value * std::log(a));
    }
    accumulate(y.input(0), std::move(abar));
    accumulate(y.input(1), std::move(bbar));
  });
}

namespace {

// s(x) and its slope s(x) s(-x), from e^-|x|: it cannot overflow, and nothing is taken from 1.
constexpr auto logistic = [](auto x) {
  using V = decltype(x);
  const V e = simd::exp(-simd::abs(x));
  return simd::select(x < V(0), e, V(1)) / (V(1) + e);
};
constexpr auto logistic_slope = [](auto x) {
  using V = decltype(x);
  const V e = simd::exp(-simd::abs(x));
  return e / ((V(1) + e) * (V(1) + e));
};

}  // namespace

// tanh x = 2 s(2x) - 1, so that its slope is 4 s'(2x).
template <class T> Var<T> tanh(const Var<T>& x) {
  return unary(
      "tanh", x, [](auto x) { return simd::tanh(x); },
      [](auto ybar, auto x, auto) { return ybar * T(4) * logistic_slope(T(2) * x); });
}

template <class T> Var<T> sigmoid(const Var<T>& x) {
  return unary("sigmoid", x, logistic,
               [](auto ybar, auto x, auto) { return ybar * logistic_slope(x); });
}

// Comparisons are turned so that a NaN stays one.
template <class T> Var<T> relu(const Var<T>& x) {
  return unary(
      "relu", x, [](auto x) { return simd::positive_part(x); },
      [](auto ybar, auto, auto y) { return simd::select(y <= T(0), T(0), ybar); });
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which neither overflows nor loses small results.
template <class T> Var<T> softplus(const Var<T>& x) {
  return unary(
      "softplus", x,
      [](auto x) { return simd::positive_part(x) + simd::log1p(simd::exp(-simd::abs(x))); },
      [](auto ybar, auto x, auto) { return ybar * logistic(x); });
}

namespace {

// maximum and minimum: `better(a, b)` when a wins. A NaN wins against every number.
template <class T, class Better>
Var<T> winner(const char* op, const Var<T>& a, const Var<T>& b, Better better) {
  const auto wins = [better](auto a, auto b) { return better(a, b) | simd::isnan(a); };
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

template <class T> Var<T> clip(const Var<T>& x, Number<T> low, Number<T> high) {
  require(low <= high, "clip: need low <= high, got ", low, " and ", high);
  return unary(
      "clip", x,
      [low, high](auto x) { return simd::select(x < low, low, simd::select(x > high, high, x)); },
      [low, high](auto ybar, auto x, auto) {
        return simd::select((x < low) | (x > high), T(0), ybar);
      });
}

namespace {

constexpr auto if_nonzero = [](auto c, auto a, auto b) {
  return simd::select(c == decltype(c)(0), b, a);
};

}  // namespace

template <class T> Var<T> where(const Var<T>& condition, const Var<T>& a, const Var<T>& b) {
  const Shape shape =
      broadcast_shape("where", broadcast_shape("where", a.shape(), b.shape()), condition.shape());
  const Array<T> taken = *Stretched<T>("where", condition.value(), shape);
  Array<T> value = map(taken, *Stretched<T>("where", a.value(), shape),
                       *Stretched<T>("where", b.value(), shape), if_nonzero);
  return record("where", {a, b}, std::move(value), [taken](Node<T>& c) {
    const Array<T> none = zeros<T>(taken.shape());
    if (c.input(0).needs_grad()) {
      accumulate(c.input(0), map(taken, c.cotangent(), none, if_nonzero));
    }
    if (c.input(1).needs_grad()) {
      accumulate(c.input(1), map(taken, none, c.cotangent(), if_nonzero));
    }
  });
}

template <class T> Var<T> greater(const Var<T>& a, const Var<T>& b) {
  return constant<T>(zip("greater", a, b, [](auto a, auto b) {
    using V = decltype(a);
    return simd::select(a > b, V(1), V(0));
  }));
}

template <class T> Var<T> stop_gradient(const Var<T>& x) { return constant(x.value()); }

#define INSTANTIATE(T)                                                \
  template Var<T> operator+(const Var<T>&, const Var<T>&);            \
  template Var<T> operator-(const Var<T>&, const Var<T>&);            \
  template Var<T> operator*(const Var<T>&, const Var<T>&);            \
  template Var<T> operator/(const Var<T>&, const Var<T>&);            \
  template Var<T> operator+(const Var<T>&, Number<T>);                \
  template Var<T> operator*(const Var<T>&, Number<T>);                \
  template Var<T> operator/(const Var<T>&, Number<T>);                \
  template Var<T> operator-(Number<T>, const Var<T>&);                \
  template Var<T> operator/(Number<T>, const Var<T>&);                \
  template Var<T> operator-(const Var<T>&);                           \
  template Var<T> exp(const Var<T>&);                                 \
  template Var<T> log(const Var<T>&);                                 \
  template Var<T> sqrt(const Var<T>&);                                \
  template Var<T> square(const Var<T>&);                              \
  template Var<T> abs(const Var<T>&);                                 \
  template Var<T> pow(const Var<T>&, Number<T>);                      \
  template Var<T> pow(const Var<T>&, const Var<T>&);                  \
  template Var<T> tanh(const Var<T>&);                                \
  template Var<T> sigmoid(const Var<T>&);                             \
  template Var<T> relu(const Var<T>&);                                \
  template Var<T> softplus(const Var<T>&);                            \
  template Var<T> maximum(const Var<T>&, const Var<T>&);              \
  template Var<T> minimum(const Var<T>&, const Var<T>&);              \
  template Var<T> clip(const Var<T>&, Number<T>, Number<T>);          \
  template Var<T> where(const Var<T>&, const Var<T>&, const Var<T>&); \
  template Var<T> greater(const Var<T>&, const Var<T>&);              \
  template Var<T> stop_gradient(const Var<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
