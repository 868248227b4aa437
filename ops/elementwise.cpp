#include "ops/elementwise.hpp"

#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "ops/map.hpp"

namespace tapesort {
namespace {

// f(a, b), stretching what has another shape than the result.
template <class T, class F>
Array<T> zip(const char* op, const Var<T>& a, const Var<T>& b, F f) {
  const Array<T>&x = a.value(), &y = b.value();
  if (x.shape() == y.shape()) return map(x, y, f);
  const Shape shape = broadcast_shape(op, x.shape(), y.shape());
  return map(*Stretched<T>(op, x, shape), *Stretched<T>(op, y, shape), f);
}

// The i-th input as its result's cotangent sees it.
template <class T>
Stretched<T> operand(const Node<T>& node, std::size_t i) {
  return Stretched<T>(node.op(), node.input(i).value(), node.value().shape());
}

constexpr auto plus = [](auto a, auto b) { return a + b; };
constexpr auto minus = [](auto a, auto b) { return a - b; };
constexpr auto times = [](auto a, auto b) { return a * b; };
constexpr auto over = [](auto a, auto b) { return a / b; };
constexpr auto negative = [](auto a) { return -a; };

}  // namespace

template <class T>
Var<T> operator+(const Var<T>& a, const Var<T>& b) {
  return record("add", {a, b}, zip("add", a, b, plus), [](Node<T>& c) {
    accumulate(c.input(0), c.cotangent());
    accumulate(c.input(1), c.take_cotangent());
  });
}

template <class T>
Var<T> operator-(const Var<T>& a, const Var<T>& b) {
  return record("sub", {a, b}, zip("sub", a, b, minus), [](Node<T>& c) {
    if (c.input(1).needs_grad()) accumulate(c.input(1), map(c.cotangent(), negative));
    accumulate(c.input(0), c.take_cotangent());
  });
}

template <class T>
Var<T> operator*(const Var<T>& a, const Var<T>& b) {
  return record("mul", {a, b}, zip("mul", a, b, times), [](Node<T>& c) {
    const Array<T>& cbar = c.cotangent();
    if (c.input(0).needs_grad()) accumulate(c.input(0), map(cbar, *operand(c, 1), times));
    if (c.input(1).needs_grad()) accumulate(c.input(1), map(cbar, *operand(c, 0), times));
  });
}

template <class T>
Var<T> operator/(const Var<T>& a, const Var<T>& b) {
  return record("div", {a, b}, zip("div", a, b, over), [](Node<T>& c) {
    Array<T> abar = map(c.cotangent(), *operand(c, 1), over);
    if (c.input(1).needs_grad()) {
      accumulate(c.input(1), map(abar, c.value(), [](auto abar, auto c) { return -abar * c; }));
    }
    accumulate(c.input(0), std::move(abar));
  });
}

// --- with a plain number c

template <class T>
Var<T> operator+(const Var<T>& x, Number<T> c) {
  return record("add", {x}, map(x.value(), [c](auto x) { return x + c; }),
                [](Node<T>& y) { accumulate(y.input(0), y.take_cotangent()); });
}

template <class T>
Var<T> operator*(const Var<T>& x, Number<T> c) {
  const auto scale = [c](auto x) { return x * c; };
  return record("mul", {x}, map(x.value(), scale),
                [scale](Node<T>& y) { accumulate(y.input(0), map(y.cotangent(), scale)); });
}

template <class T>
Var<T> operator/(const Var<T>& x, Number<T> c) {
  const auto scale = [c](auto x) { return x / c; };
  return record("div", {x}, map(x.value(), scale),
                [scale](Node<T>& y) { accumulate(y.input(0), map(y.cotangent(), scale)); });
}

template <class T>
Var<T> operator-(Number<T> c, const Var<T>& x) {
  return record("sub", {x}, map(x.value(), [c](auto x) { return c - x; }),
                [](Node<T>& y) { accumulate(y.input(0), map(y.cotangent(), negative)); });
}

template <class T>
Var<T> operator/(Number<T> c, const Var<T>& x) {
  return record("div", {x}, map(x.value(), [c](auto x) { return c / x; }), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.value(), y.input(0).value(),
                               [](auto ybar, auto y, auto x) { return -ybar * y / x; }));
  });
}

// --- of one operand

template <class T>
Var<T> operator-(const Var<T>& x) {
  return record("neg", {x}, map(x.value(), negative),
                [](Node<T>& y) { accumulate(y.input(0), map(y.cotangent(), negative)); });
}

template <class T>
Var<T> exp(const Var<T>& x) {
  const auto f = [](auto x) {
    using std::exp;
    return exp(x);
  };
  return record("exp", {x}, map(x.value(), f),
                [](Node<T>& y) { accumulate(y.input(0), map(y.cotangent(), y.value(), times)); });
}

template <class T>
Var<T> log(const Var<T>& x) {
  const auto f = [](auto x) {
    using std::log;
    return log(x);
  };
  return record("log", {x}, map(x.value(), f), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.input(0).value(), over));
  });
}

template <class T>
Var<T> sqrt(const Var<T>& x) {
  const auto f = [](auto x) {
    using std::sqrt;
    return sqrt(x);
  };
  return record("sqrt", {x}, map(x.value(), f), [](Node<T>& y) {
    accumulate(y.input(0),
               map(y.cotangent(), y.value(), [](auto ybar, auto y) { return ybar / (T(2) * y); }));
  });
}

template <class T>
Var<T> square(const Var<T>& x) {
  return record("square", {x}, map(x.value(), [](auto x) { return x * x; }), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.input(0).value(),
                               [](auto ybar, auto x) { return T(2) * ybar * x; }));
  });
}

template <class T>
Var<T> abs(const Var<T>& x) {
  const auto f = [](auto x) {
    using std::abs;
    return abs(x);
  };
  return record("abs", {x}, map(x.value(), f), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.input(0).value(), [](auto ybar, auto x) {
                 using V = decltype(x);
                 using detail::select;
                 return select(x > V(0), ybar, select(x < V(0), -ybar, V(0)));
               }));
  });
}

namespace {

// std::pow knows every special case; it has no vector form that does.
template <class T>
Array<T> power(const Array<T>& base, const Array<T>& exponent) {
  Array<T> y = uninitialized<T>(base.shape());
  for (std::size_t i = 0; i < y.size(); ++i) {
    y.data()[i] = std::pow(base.data()[i], exponent.data()[i]);
  }
  return y;
}

}  // namespace

template <class T>
Var<T> pow(const Var<T>& x, Number<T> p) {
  return record("pow", {x}, power(x.value(), full<T>(x.shape(), p)), [p](Node<T>& y) {
    if (p == T(0)) return;  // constant 1; 0 * 0^-1 would be NaN
    const Array<T>& x = y.input(0).value();
    accumulate(y.input(0), map(y.cotangent(), power(x, full<T>(x.shape(), p - T(1))),
                               [p](auto ybar, auto lower) { return ybar * p * lower; }));
  });
}

template <class T>
Var<T> pow(const Var<T>& base, const Var<T>& exponent) {
  const Shape shape = broadcast_shape("pow", base.shape(), exponent.shape());
  Array<T> value = power(*Stretched<T>("pow", base.value(), shape),
                         *Stretched<T>("pow", exponent.value(), shape));
  return record("pow", {base, exponent}, std::move(value), [](Node<T>& y) {
    const auto stretched_a = operand(y, 0), stretched_b = operand(y, 1);
    Array<T> abar = zeros<T>(y.value().shape()), bbar = zeros<T>(y.value().shape());
    for (std::size_t i = 0; i < abar.size(); ++i) {
      const T a = (*stretched_a).data()[i], b = (*stretched_b).data()[i];
      const T ybar = y.cotangent().data()[i];
      if (b != T(0)) abar.data()[i] = ybar * b * std::pow(a, b - T(1));
      if (a != T(0)) bbar.data()[i] = ybar * y.value().data()[i] * std::log(a);
    }
    accumulate(y.input(0), std::move(abar));
    accumulate(y.input(1), std::move(bbar));
  });
}

template <class T>
Var<T> tanh(const Var<T>& x) {
  const auto f = [](auto x) {
    using std::tanh;
    return tanh(x);
  };
  return record("tanh", {x}, map(x.value(), f), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.value(),
                               [](auto ybar, auto y) { return ybar * (T(1) - y * y); }));
  });
}

namespace {

template <class T>
constexpr auto logistic = [](auto x) {
  using std::exp;
  return T(1) / (T(1) + exp(-x));
};

}  // namespace

template <class T>
Var<T> sigmoid(const Var<T>& x) {
  return record("sigmoid", {x}, map(x.value(), logistic<T>), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.value(),
                               [](auto ybar, auto y) { return ybar * y * (T(1) - y); }));
  });
}

// Comparisons are turned so that a NaN stays one.
template <class T>
Var<T> relu(const Var<T>& x) {
  const auto f = [](auto x) {
    using V = decltype(x);
    using detail::select;
    return select(x < V(0), V(0), x);
  };
  return record("relu", {x}, map(x.value(), f), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.value(), [](auto ybar, auto y) {
                 using V = decltype(y);
                 using detail::select;
                 return select(y > V(0), ybar, V(0));
               }));
  });
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which neither overflows nor loses small results.
template <class T>
Var<T> softplus(const Var<T>& x) {
  const auto f = [](auto x) {
    using V = decltype(x);
    using std::abs, std::exp, std::log1p, detail::select;
    return select(x < V(0), V(0), x) + log1p(exp(-abs(x)));
  };
  return record("softplus", {x}, map(x.value(), f), [](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), map(y.input(0).value(), logistic<T>), times));
  });
}

namespace {

// maximum and minimum: `better(a, b)` when a wins. A NaN wins against everything.
template <class T, class Better>
Var<T> winner(const char* op, const Var<T>& a, const Var<T>& b, Better better) {
  const auto choose = [better](auto a, auto b) {
    using detail::select;
    return select(better(a, b) | (a != a), a, b);
  };
  return record(op, {a, b}, zip(op, a, b, choose), [better](Node<T>& y) {
    Array<T> abar =
        map(y.cotangent(), *operand(y, 0), *operand(y, 1), [better](auto ybar, auto a, auto b) {
          using V = decltype(a);
          using detail::select;
          return select(better(a, b), ybar, select(better(b, a), V(0), ybar * T(0.5)));
        });
    if (y.input(1).needs_grad()) accumulate(y.input(1), map(y.cotangent(), abar, minus));
    accumulate(y.input(0), std::move(abar));
  });
}

}  // namespace

template <class T>
Var<T> maximum(const Var<T>& a, const Var<T>& b) {
  return winner("maximum", a, b, [](auto a, auto b) { return a > b; });
}

template <class T>
Var<T> minimum(const Var<T>& a, const Var<T>& b) {
  return winner("minimum", a, b, [](auto a, auto b) { return a < b; });
}

template <class T>
Var<T> clip(const Var<T>& x, Number<T> low, Number<T> high) {
  require(low <= high, "clip: need low <= high, got ", low, " and ", high);
  const auto f = [low, high](auto x) {
    using V = decltype(x);
    using detail::select;
    return select(x < V(low), V(low), select(x > V(high), V(high), x));
  };
  return record("clip", {x}, map(x.value(), f), [low, high](Node<T>& y) {
    accumulate(y.input(0), map(y.cotangent(), y.input(0).value(), [low, high](auto ybar, auto x) {
                 using V = decltype(x);
                 using detail::select;
                 return select((x >= V(low)) & (x <= V(high)), ybar, V(0));
               }));
  });
}

namespace {

template <class T>
constexpr auto if_nonzero = [](auto c, auto a, auto b) {
  using detail::select;
  return select(c != decltype(c)(0), a, b);
};

}  // namespace

template <class T>
Var<T> where(const Var<T>& condition, const Var<T>& a, const Var<T>& b) {
  const Shape shape =
      broadcast_shape("where", broadcast_shape("where", a.shape(), b.shape()), condition.shape());
  const Array<T> taken = *Stretched<T>("where", condition.value(), shape);
  Array<T> value = map(taken, *Stretched<T>("where", a.value(), shape),
                       *Stretched<T>("where", b.value(), shape), if_nonzero<T>);
  return record("where", {a, b}, std::move(value), [taken](Node<T>& c) {
    const Array<T> none = zeros<T>(taken.shape());
    if (c.input(0).needs_grad()) {
      accumulate(c.input(0), map(taken, c.cotangent(), none, if_nonzero<T>));
    }
    if (c.input(1).needs_grad()) {
      accumulate(c.input(1), map(taken, none, c.cotangent(), if_nonzero<T>));
    }
  });
}

template <class T>
Var<T> greater(const Var<T>& a, const Var<T>& b) {
  return constant<T>(zip("greater", a, b, [](auto a, auto b) {
    using V = decltype(a);
    using detail::select;
    return select(a > b, V(1), V(0));
  }));
}

template <class T>
Var<T> stop_gradient(const Var<T>& x) {
  return constant(x.value());
}

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
