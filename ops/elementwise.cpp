#include "ops/elementwise.hpp"

#include <functional>

#include "engine/broadcast.hpp"
#include "engine/check.hpp"

namespace tapesort {
namespace {

// f(a, b) on values of one shape, stretching what has another.
template <class T, class F>
Array<T> zip(const char* op, const Var<T>& a, const Var<T>& b, F f) {
  const Array<T>&x = a.value(), &y = b.value();
  if (x.shape() == y.shape()) return f(x, y);
  const Shape shape = broadcast_shape(op, x.shape(), y.shape());
  return f(*Stretched<T>(op, x, shape), *Stretched<T>(op, y, shape));
}

// The i-th input as its result's cotangent sees it.
template <class T>
Stretched<T> operand(const Node<T>& node, std::size_t i) {
  return Stretched<T>(node.op(), node.input(i).value(), node.value().shape());
}

}  // namespace

template <class T>
Var<T> operator+(const Var<T>& a, const Var<T>& b) {
  const auto add = [](const Array<T>& x, const Array<T>& y) -> Array<T> { return x + y; };
  return record("add", {a, b}, zip("add", a, b, add), [](Node<T>& c) {
    accumulate(c.input(0), c.cotangent());
    accumulate(c.input(1), c.take_cotangent());
  });
}

template <class T>
Var<T> operator-(const Var<T>& a, const Var<T>& b) {
  const auto sub = [](const Array<T>& x, const Array<T>& y) -> Array<T> { return x - y; };
  return record("sub", {a, b}, zip("sub", a, b, sub), [](Node<T>& c) {
    accumulate(c.input(1), -c.cotangent());
    accumulate(c.input(0), c.take_cotangent());
  });
}

template <class T>
Var<T> operator*(const Var<T>& a, const Var<T>& b) {
  const auto mul = [](const Array<T>& x, const Array<T>& y) -> Array<T> { return x * y; };
  return record("mul", {a, b}, zip("mul", a, b, mul), [](Node<T>& c) {
    if (c.input(0).needs_grad()) accumulate(c.input(0), c.cotangent() * *operand(c, 1));
    if (c.input(1).needs_grad()) accumulate(c.input(1), c.cotangent() * *operand(c, 0));
  });
}

template <class T>
Var<T> operator/(const Var<T>& a, const Var<T>& b) {
  const auto div = [](const Array<T>& x, const Array<T>& y) -> Array<T> { return x / y; };
  return record("div", {a, b}, zip("div", a, b, div), [](Node<T>& c) {
    const Array<T> abar = c.cotangent() / *operand(c, 1);
    accumulate(c.input(1), -abar * c.value());
    accumulate(c.input(0), abar);
  });
}

// --- with a plain number c

template <class T>
Var<T> operator+(const Var<T>& x, Number<T> c) {
  return record("add", {x}, Array<T>(x.value() + c),
                [](Node<T>& y) { accumulate(y.input(0), y.take_cotangent()); });
}

template <class T>
Var<T> operator*(const Var<T>& x, Number<T> c) {
  return record("mul", {x}, Array<T>(x.value() * c),
                [c](Node<T>& y) { accumulate(y.input(0), y.cotangent() * c); });
}

template <class T>
Var<T> operator/(const Var<T>& x, Number<T> c) {
  return record("div", {x}, Array<T>(x.value() / c),
                [c](Node<T>& y) { accumulate(y.input(0), y.cotangent() / c); });
}

template <class T>
Var<T> operator-(Number<T> c, const Var<T>& x) {
  return record("sub", {x}, Array<T>(c - x.value()),
                [](Node<T>& y) { accumulate(y.input(0), -y.cotangent()); });
}

template <class T>
Var<T> operator/(Number<T> c, const Var<T>& x) {
  return record("div", {x}, Array<T>(c / x.value()), [](Node<T>& y) {
    accumulate(y.input(0), -y.cotangent() * y.value() / y.input(0).value());
  });
}

// --- of one operand

template <class T>
Var<T> operator-(const Var<T>& x) {
  return record("neg", {x}, Array<T>(-x.value()),
                [](Node<T>& y) { accumulate(y.input(0), -y.cotangent()); });
}

template <class T>
Var<T> exp(const Var<T>& x) {
  return record("exp", {x}, Array<T>(xt::exp(x.value())),
                [](Node<T>& y) { accumulate(y.input(0), y.cotangent() * y.value()); });
}

template <class T>
Var<T> log(const Var<T>& x) {
  return record("log", {x}, Array<T>(xt::log(x.value())),
                [](Node<T>& y) { accumulate(y.input(0), y.cotangent() / y.input(0).value()); });
}

template <class T>
Var<T> sqrt(const Var<T>& x) {
  return record("sqrt", {x}, Array<T>(xt::sqrt(x.value())),
                [](Node<T>& y) { accumulate(y.input(0), y.cotangent() / (T(2) * y.value())); });
}

template <class T>
Var<T> square(const Var<T>& x) {
  return record("square", {x}, Array<T>(x.value() * x.value()), [](Node<T>& y) {
    accumulate(y.input(0), T(2) * y.cotangent() * y.input(0).value());
  });
}

template <class T>
Var<T> abs(const Var<T>& x) {
  return record("abs", {x}, Array<T>(xt::abs(x.value())), [](Node<T>& y) {
    accumulate(y.input(0), y.cotangent() * xt::sign(y.input(0).value()));
  });
}

template <class T>
Var<T> pow(const Var<T>& x, Number<T> p) {
  return record("pow", {x}, Array<T>(xt::pow(x.value(), p)), [p](Node<T>& y) {
    if (p == T(0)) return;  // constant 1; 0 * 0^-1 would be NaN
    accumulate(y.input(0), y.cotangent() * p * xt::pow(y.input(0).value(), p - T(1)));
  });
}

template <class T>
Var<T> pow(const Var<T>& base, const Var<T>& exponent) {
  const auto power = [](const Array<T>& a, const Array<T>& b) -> Array<T> { return xt::pow(a, b); };
  return record("pow", {base, exponent}, zip("pow", base, exponent, power), [](Node<T>& y) {
    const auto stretched_a = operand(y, 0), stretched_b = operand(y, 1);
    const Array<T>&a = *stretched_a, &b = *stretched_b;
    if (y.input(0).needs_grad()) {
      accumulate(y.input(0), xt::where(xt::equal(b, T(0)), T(0),
                                       y.cotangent() * b * xt::pow(a, b - T(1))));
    }
    if (y.input(1).needs_grad()) {
      accumulate(y.input(1), xt::where(xt::equal(a, T(0)), T(0),
                                       y.cotangent() * y.value() * xt::log(a)));
    }
  });
}

template <class T>
Var<T> tanh(const Var<T>& x) {
  return record("tanh", {x}, Array<T>(xt::tanh(x.value())), [](Node<T>& y) {
    accumulate(y.input(0), y.cotangent() * (T(1) - y.value() * y.value()));
  });
}

template <class T>
Var<T> sigmoid(const Var<T>& x) {
  return record("sigmoid", {x}, Array<T>(T(1) / (T(1) + xt::exp(-x.value()))), [](Node<T>& y) {
    accumulate(y.input(0), y.cotangent() * y.value() * (T(1) - y.value()));
  });
}

template <class T>
Var<T> relu(const Var<T>& x) {
  return record("relu", {x}, Array<T>(xt::maximum(x.value(), T(0))), [](Node<T>& y) {
    accumulate(y.input(0), xt::where(y.value() > T(0), y.cotangent(), T(0)));
  });
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which neither overflows nor loses small results.
template <class T>
Var<T> softplus(const Var<T>& x) {
  const Array<T>& v = x.value();
  return record("softplus", {x}, Array<T>(xt::maximum(v, T(0)) + xt::log1p(xt::exp(-xt::abs(v)))),
                [](Node<T>& y) {
                  accumulate(y.input(0),
                             y.cotangent() / (T(1) + xt::exp(-y.input(0).value())));
                });
}

namespace {

// ybar to whichever operand `wins` says, halves where they are equal.
template <class T, class Wins>
void pull_to_winner(Node<T>& y, Wins wins) {
  const auto stretched_a = operand(y, 0), stretched_b = operand(y, 1);
  Array<T> abar = uninitialized<T>(y.value().shape());
  for (std::size_t i = 0; i < abar.size(); ++i) {
    const T a = (*stretched_a).data()[i], b = (*stretched_b).data()[i];
    abar.data()[i] = y.cotangent().data()[i] * (wins(a, b) ? T(1) : wins(b, a) ? T(0) : T(0.5));
  }
  accumulate(y.input(1), y.cotangent() - abar);
  accumulate(y.input(0), std::move(abar));
}

}  // namespace

template <class T>
Var<T> maximum(const Var<T>& a, const Var<T>& b) {
  const auto larger = [](const Array<T>& x, const Array<T>& y) -> Array<T> {
    return xt::maximum(x, y);
  };
  return record("maximum", {a, b}, zip("maximum", a, b, larger),
                [](Node<T>& y) { pull_to_winner(y, std::greater<T>()); });
}

template <class T>
Var<T> minimum(const Var<T>& a, const Var<T>& b) {
  const auto smaller = [](const Array<T>& x, const Array<T>& y) -> Array<T> {
    return xt::minimum(x, y);
  };
  return record("minimum", {a, b}, zip("minimum", a, b, smaller),
                [](Node<T>& y) { pull_to_winner(y, std::less<T>()); });
}

template <class T>
Var<T> clip(const Var<T>& x, Number<T> low, Number<T> high) {
  require(low <= high, "clip: need low <= high, got ", low, " and ", high);
  return record("clip", {x}, Array<T>(xt::clip(x.value(), low, high)), [low, high](Node<T>& y) {
    const Array<T>& v = y.input(0).value();
    accumulate(y.input(0), xt::where(v >= low && v <= high, y.cotangent(), T(0)));
  });
}

template <class T>
Var<T> where(const Var<T>& condition, const Var<T>& a, const Var<T>& b) {
  const Shape shape =
      broadcast_shape("where", broadcast_shape("where", a.shape(), b.shape()), condition.shape());
  const Array<bool> taken =
      xt::not_equal(*Stretched<T>("where", condition.value(), shape), T(0));
  const Stretched<T> x("where", a.value(), shape), y("where", b.value(), shape);
  return record("where", {a, b}, Array<T>(xt::where(taken, *x, *y)), [taken](Node<T>& c) {
    accumulate(c.input(0), xt::where(taken, c.cotangent(), T(0)));
    accumulate(c.input(1), xt::where(taken, T(0), c.cotangent()));
  });
}

template <class T>
Var<T> greater(const Var<T>& a, const Var<T>& b) {
  const auto compare = [](const Array<T>& x, const Array<T>& y) -> Array<T> {
    return xt::where(x > y, T(1), T(0));
  };
  return constant<T>(zip("greater", a, b, compare));
}

template <class T>
Var<T> stop_gradient(const Var<T>& x) {
  return constant(x.value());
}

#define INSTANTIATE(T)                                                       \
  template Var<T> operator+(const Var<T>&, const Var<T>&);                   \
  template Var<T> operator-(const Var<T>&, const Var<T>&);                   \
  template Var<T> operator*(const Var<T>&, const Var<T>&);                   \
  template Var<T> operator/(const Var<T>&, const Var<T>&);                   \
  template Var<T> operator+(const Var<T>&, Number<T>);                       \
  template Var<T> operator*(const Var<T>&, Number<T>);                       \
  template Var<T> operator/(const Var<T>&, Number<T>);                       \
  template Var<T> operator-(Number<T>, const Var<T>&);                       \
  template Var<T> operator/(Number<T>, const Var<T>&);                       \
  template Var<T> operator-(const Var<T>&);                                  \
  template Var<T> exp(const Var<T>&);                                        \
  template Var<T> log(const Var<T>&);                                        \
  template Var<T> sqrt(const Var<T>&);                                       \
  template Var<T> square(const Var<T>&);                                     \
  template Var<T> abs(const Var<T>&);                                        \
  template Var<T> pow(const Var<T>&, Number<T>);                             \
  template Var<T> pow(const Var<T>&, const Var<T>&);                         \
  template Var<T> tanh(const Var<T>&);                                       \
  template Var<T> sigmoid(const Var<T>&);                                    \
  template Var<T> relu(const Var<T>&);                                       \
  template Var<T> softplus(const Var<T>&);                                   \
  template Var<T> maximum(const Var<T>&, const Var<T>&);                     \
  template Var<T> minimum(const Var<T>&, const Var<T>&);                     \
  template Var<T> clip(const Var<T>&, Number<T>, Number<T>);                 \
  template Var<T> where(const Var<T>&, const Var<T>&, const Var<T>&);        \
  template Var<T> greater(const Var<T>&, const Var<T>&);                     \
  template Var<T> stop_gradient(const Var<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
