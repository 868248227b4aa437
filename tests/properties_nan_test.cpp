// A NaN in is a NaN out, or an error, in every lane and every place of a tail: it never turns into a
// number that looks right. Where it does not belong it does not go: elements and sets beside it keep
// their result.
//
// The gradient at a NaN is a NaN or, where the operator has a choice (relu, maximum), the cotangent
// as it is (ops/elementwise.hpp): it is not 0. A NaN in the cotangent is one in the gradient.
#include "elementwise_rows.hpp"
#include "ops/conv/conv.hpp"
#include "ops/distances.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/norm.hpp"
#include "ops/plackett_luce.hpp"
#include "ops/pool.hpp"
#include "ops/shape.hpp"
#include "properties.hpp"
#include "set_rows.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

template <class T> constexpr T nan = std::numeric_limits<T>::quiet_NaN();

// Numbers at which every operator has a value and a slope that is not zero, unless it is constant.
// None is 1: pow(1, NaN) is 1, as IEEE 754 has it.
template <class T> std::vector<Array<T>> regular_inputs(std::size_t inputs, const Shape& shape) {
  std::vector<Array<T>> x;
  for (std::size_t k = 0; k < inputs; ++k) {
    x.push_back(uninitialized<T>(shape));
    for (std::size_t i = 0; i < x[k].size(); ++i) {
      x[k].data()[i] = T(0.546875) + T((i + 3 * k) % 7) / T(8) + T(k) / T(32);
    }
  }
  return x;
}

template <class T> void check_elementwise() {
  for (const ElementwiseRow& row : elementwise_rows()) {
    check_property(row.name + ", " + type_name<T>(), [&] {
      const auto length = *rc::gen::inRange<std::size_t>(1, 70);
      const auto place = *rc::gen::inRange<std::size_t>(0, length);
      auto inputs = regular_inputs<T>(row.inputs, {length});
      const Evaluated<T> before = evaluate<T>(row.f<T>(), inputs, some_cotangent<T>);
      // A comparison with a NaN is false, and where passes on what it takes: values alone.
      const bool compares = row.name == "greater", chooses = row.name == "where";
      const auto k = chooses ? std::size_t(1) : *rc::gen::inRange<std::size_t>(0, row.inputs);
      inputs[k].data()[place] = nan<T>;
      const Evaluated<T> after = evaluate<T>(row.f<T>(), inputs, some_cotangent<T>);
      for (std::size_t i = 0; i < length; ++i) {
        const T value = after.value.data()[i], slope = after.gradients[k].data()[i];
        if (i != place) {
          if (!same_number(value, before.value.data()[i]) ||
              !same_number(slope, before.gradients[k].data()[i])) {
            fail_case("a NaN at ", place, " of ", length, " changes place ", i);
          }
        } else if (!compares) {
          if (!std::isnan(value)) fail_case("a NaN at ", i, " of ", length, " gives ", value);
          if (slope == T(0)) fail_case("a NaN at ", i, " of ", length, " has the gradient 0");
        }
      }
    });
    check_property(row.name + ", cotangent, " + type_name<T>(), [&] {
      const auto length = *rc::gen::inRange<std::size_t>(1, 70);
      const auto place = *rc::gen::inRange<std::size_t>(0, length);
      const auto inputs = regular_inputs<T>(row.inputs, {length});
      const auto cotangent = [&](const Shape& shape) {
        Array<T> u = some_cotangent<T>(shape);
        u.data()[place] = nan<T>;
        return u;
      };
      const Evaluated<T> before = evaluate<T>(row.f<T>(), inputs, some_cotangent<T>);
      const Evaluated<T> after = evaluate<T>(row.f<T>(), inputs, cotangent);
      for (std::size_t k = 0; k < row.inputs; ++k) {
        for (std::size_t i = 0; i < length; ++i) {
          const T was = before.gradients[k].data()[i], is = after.gradients[k].data()[i];
          if (i == place && was != T(0) ? !std::isnan(is) : i != place && !same_number(was, is)) {
            fail_case("with a NaN cotangent at ", place, " of ", length, " the gradient at ", i,
                      " of input ", k, " is ", is);
          }
        }
      }
    });
  }
}

// Operators that mix the elements of a set, or of a row: f gets x (3, n), and a NaN stands in row 1.
struct MixingRow : InBothTypes<OfInputs> {
  template <class F>
  MixingRow(std::string name, F op, bool own_row = true)
      : InBothTypes(op), name(std::move(name)), own_row(own_row) {}

  std::string name;
  bool own_row;  // row i of the result depends on row i of x alone
};

// The same numbers as a constant of x's type.
template <class T> Var<T> ramp(const Var<T>&, const Shape& shape) {
  return constant(regular_inputs<T>(1, shape)[0]);
}

std::vector<MixingRow> mixing_rows() {
  std::vector<MixingRow> rows{
      {"sum", [](const auto& x) { return sum(x[0], -1); }},
      {"sum over rows", [](const auto& x) { return sum(x[0], 0); }, false},
      {"mean", [](const auto& x) { return mean(x[0], -1); }},
      {"var", [](const auto& x) { return var(x[0], -1); }},
      {"norm", [](const auto& x) { return norm(x[0], -1); }},
      {"standard_deviation", [](const auto& x) { return standard_deviation(x[0], -1); }},
      {"min", [](const auto& x) { return min(x[0], -1); }},
      {"max over rows", [](const auto& x) { return max(x[0], 0); }, false},
      {"logsumexp over rows", [](const auto& x) { return logsumexp(x[0], 0); }, false},
      {"cumsum", [](const auto& x) { return cumsum(x[0], -1); }},
      {"mse", [](const auto& x) { return mse(x[0], ramp(x[0], x[0].shape())); }, false},
      {"cross_entropy",
       [](const auto& x) {
         return cross_entropy(x[0], Indices{0, 0, 0});
       },
       false},
      {"matmul",
       [](const auto& x) {
         return matmul(x[0], ramp(x[0], {x[0].shape()[1], 5}));
       }},
      {"matmul, right",
       [](const auto& x) {
         return matmul(ramp(x[0], {4, 3}), x[0]);
       },
       false},
      {"squared_distances",
       [](const auto& x) {
         return squared_distances(x[0], ramp(x[0], {20, x[0].shape()[1]}));
       }},
      {"squared_distances, candidates",
       [](const auto& x) {
         return squared_distances(ramp(x[0], {20, x[0].shape()[1]}), x[0]);
       },
       false},
      {"conv2d",
       [](const auto& x) {
         const Index n = Index(x[0].shape()[1]);
         return conv2d(reshape(x[0], {3, n, 1, 1}), ramp(x[0], {1, 1, 1, 9}));
       }},
      {"conv2d, 3 by 3",
       [](const auto& x) {
         const Index n = Index(x[0].shape()[1]);
         return conv2d(reshape(x[0], {3, n, 1, 1}), ramp(x[0], {3, 3, 1, 9}),
                       Conv2dOptions::same(3));
       }},
      {"max_pool2d",
       [](const auto& x) {
         return max_pool2d(reshape(x[0], {3, 1, 1, Index(x[0].shape()[1])}), 1, 1);
       }},
      {"avg_pool2d",
       [](const auto& x) {
         return avg_pool2d(reshape(x[0], {3, 1, 1, Index(x[0].shape()[1])}), 1, 1);
       }},
      {"batch_norm",
       [](const auto& x) {
         using T = std::decay_t<decltype(x[0].value().data()[0])>;
         const std::size_t n = x[0].shape()[1];
         BatchStatistics<T> statistics(n);
         return batch_norm(x[0], constant(full<T>({n}, T(1))), constant(full<T>({n}, T(1))),
                           statistics);
       },
       false},
      {"PlackettLuce::log_prob",
       [](const auto& x) {
         using T = std::decay_t<decltype(x[0].value().data()[0])>;
         return PlackettLuce<T>(x[0]).log_prob(argsort(zeros<T>(x[0].shape())));
       }},
      {"neural_sort_payload",
       [](const auto& x) {
         const Index n = Index(x[0].shape()[1]);
         return neural_sort_payload(ramp(x[0], x[0].shape()), reshape(x[0], {3, n, 1}), {1.5});
       }},
      {"sinkhorn",
       [](const auto& x) {
         const auto square = matmul(transpose(x[0]), x[0]);
         return sinkhorn(square, 1);
       },
       false}};
  for (const SetRow& row : set_rows()) {
    const auto f64 = row.f64;
    const auto f32 = row.f32;
    rows.push_back({row.name, [f64, f32](const auto& x) {
                      if constexpr (std::is_same_v<std::decay_t<decltype(x[0])>, Var<float>>) {
                        return f32(x[0], 1);
                      } else {
                        return f64(x[0], 1);
                      }
                    }});
  }
  return rows;
}

template <class T> void check_mixing() {
  for (const MixingRow& row : mixing_rows()) {
    check_property(row.name + ", " + type_name<T>(), [&] {
      const auto n = *rc::gen::inRange<std::size_t>(1, 40);
      const auto place = *rc::gen::inRange<std::size_t>(0, n);
      auto x = regular_inputs<T>(1, {3, n});
      const Evaluated<T> before = evaluate<T>(row.f<T>(), x, some_cotangent<T>);
      x[0](1, place) = nan<T>;
      Evaluated<T> after;
      try {
        after = evaluate<T>(row.f<T>(), x, some_cotangent<T>);
      } catch (const std::invalid_argument&) {
        return;
      }
      const auto is_nan = [](T number) { return std::isnan(number); };
      const auto& y = after.value;
      if (std::none_of(y.data(), y.data() + y.size(), is_nan)) {
        fail_case("a NaN at ", place, " of ", n, " gives ", list(y));
      }
      if (!row.own_row) return;
      const std::size_t size = y.size() / 3;
      for (const std::size_t i : {std::size_t(0), std::size_t(2)}) {
        if (!std::equal(y.data() + i * size, y.data() + (i + 1) * size,
                        before.value.data() + i * size, same_number<T>)) {
          fail_case("a NaN at ", place, " of ", n, " in row 1 changes row ", i, ": ", list(y));
        }
      }
    });
  }
}

// A NaN in the cotangent of set 1 leaves the gradients of the sets beside it as they are.
template <class T> void check_cotangents_of_sets() {
  for (const SetRow& row : set_rows()) {
    check_property(row.name + ", " + type_name<T>(), [&] {
      const auto n = *rc::gen::inRange<std::size_t>(2, 40);
      const auto x = regular_inputs<T>(1, {3, n});
      const auto f = [&](const auto& x) { return row.f<T>()(x[0], T(1)); };
      const auto cotangent = [&](const Shape& shape) {
        Array<T> u = some_cotangent<T>(shape);
        const std::size_t size = u.size() / 3;
        u.data()[size + *rc::gen::inRange<std::size_t>(0, size)] = nan<T>;
        return u;
      };
      const Array<T> before = evaluate<T>(f, x, some_cotangent<T>).gradients[0];
      Array<T> after;
      try {
        after = evaluate<T>(f, x, cotangent).gradients[0];
      } catch (const std::invalid_argument&) {
        return;
      }
      for (const std::size_t i : {std::size_t(0), std::size_t(2)}) {
        if (!std::equal(before.data() + i * n, before.data() + (i + 1) * n, after.data() + i * n,
                        same_number<T>)) {
          fail_case("of 3 sets of ", n, ", a NaN cotangent of set 1 changes set ", i);
        }
      }
    });
  }
}

// Of a payload, and in sets so large that rows are interpolated.
template <class T> void check_payload_beside(T bad) {
  for (const std::size_t n : {std::size_t(5), std::size_t(50), std::size_t(700)}) {
    for (const double tau : {0.02, 1.0, 50.0}) {
      Generator random(n);
      std::vector<Array<T>> x{random.normal<T>({3, n}), random.normal<T>({3, n, 2})};
      const auto sort = [&](const auto& x) { return neural_sort_payload(x[0], x[1], {tau}); };
      const Evaluated<T> before = evaluate<T>(sort, x, some_cotangent<T>);
      x[1](1, n / 2, 0) = bad, x[1](1, n / 2 + 1, 0) = -bad;
      const Evaluated<T> after = evaluate<T>(sort, x, some_cotangent<T>);
      for (const std::size_t set : {std::size_t(0), std::size_t(2)}) {
        for (std::size_t i = 0; i < n; ++i) {
          INFO("n ", n, ", tau ", tau, ", set ", set, ", item ", i);
          REQUIRE(same_number(before.value(set, i, 0), after.value(set, i, 0)));
          REQUIRE(same_number(before.gradients[0](set, i), after.gradients[0](set, i)));
          REQUIRE(same_number(before.gradients[1](set, i, 0), after.gradients[1](set, i, 0)));
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("property: a NaN in one set's cotangent stays in that set") {
  check_cotangents_of_sets<float>();
  check_cotangents_of_sets<double>();
}

TEST_CASE("neural_sort_payload: what is not finite in one set stays in that set") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, 3e38f}) {
    check_payload_beside<float>(bad);
  }
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), 1.5e308}) {
    check_payload_beside<double>(bad);
  }
}

TEST_CASE("property: elementwise, a NaN in is a NaN out, at its place alone") {
  check_elementwise<float>();
  check_elementwise<double>();
}

TEST_CASE("property: a NaN among others is a NaN in the result, or an error") {
  check_mixing<float>();
  check_mixing<double>();
}
