#include "gradcheck/vars.hpp"

#include "engine/check.hpp"
#include "engine/dual.hpp"
#include "engine/instantiate.hpp"
#include "engine/random.hpp"
#include "engine/trap.hpp"
#include "gradcheck/derivatives.hpp"

namespace tapesort {
namespace {

using Values = GradcheckProblem::Values;

template <class T> Array<T> array_of(const std::vector<double>& values, const Shape& shape) {
  Array<T> array = uninitialized<T>(shape);
  std::transform(values.begin(), values.end(), array.data(), [](double x) { return T(x); });
  return array;
}

template <class T> std::vector<double> values_of(const Array<T>& array) {
  return {array.data(), array.data() + array.size()};
}

template <class T> GradcheckInput input_of(std::string name, const Array<T>& array) {
  return {std::move(name), {array.shape().begin(), array.shape().end()}, values_of(array)};
}

// f at other values than the given ones; the parameters are as before at the end.
template <class T> class Subject {
 public:
  Subject(const VarFunction<T>& f, const std::vector<Array<T>>& inputs,
          const std::vector<Parameter<T>*>& parameters)
      : f_(f), inputs_(inputs), parameters_(parameters) {
    for (const Parameter<T>* p : parameters) values_.push_back(p->value), grads_.push_back(p->grad);
  }
  ~Subject() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      set(*parameters_[i], values_[i]);
      parameters_[i]->grad = grads_[i];
    }
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  // The result, and the leaves that it was computed from.
  Var<T> run(Tape<T>& tape, const Values& x, std::vector<Var<T>>& leaves) const {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      leaves.push_back(tape.leaf(array_of<T>(x[i], inputs_[i].shape())));
    }
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      set(*parameters_[i], array_of<T>(x[inputs_.size() + i], values_[i].shape()));
      parameters_[i]->zero_grad();
    }
    return f_(tape, leaves);
  }

  std::vector<double> value(const Values& x) const {
    Tape<T> tape(Recording::off);
    std::vector<Var<T>> leaves;
    return values_of(run(tape, x, leaves).value());
  }

  Values pull(const Values& x, const std::vector<double>& u) const {
    Tape<T> tape;
    std::vector<Var<T>> leaves;
    const Var<T> y = run(tape, x, leaves);
    if (y.needs_grad()) tape.backward(y, array_of<T>(u, y.shape()));
    Values gradients;
    for (const Var<T>& leaf : leaves) gradients.push_back(values_of(leaf.grad()));
    for (const Parameter<T>* p : parameters_) gradients.push_back(values_of(p->grad));
    return gradients;
  }

  // What the trap says of a NaN or an infinity.
  std::string where_not_finite(const Values& x, std::size_t size) const {
    try {
      const NonFiniteTrap trap;
      pull(x, std::vector<double>(size, 1.0));
    } catch (const NonFiniteError& error) {
      return error.what();
    }
    return "the trap finds no operator that made it";
  }

 private:
  static void set(Parameter<T>& parameter, const Array<T>& value) {
    parameter.value = value;
    parameter.changed();
  }

  const VarFunction<T>& f_;
  const std::vector<Array<T>>& inputs_;
  const std::vector<Parameter<T>*>& parameters_;
  std::vector<Array<T>> values_, grads_;
};

// Whether two calls of backward() on one tape give the same gradients.
template <class T>
bool same_twice(Tape<T>& tape, const Var<T>& y, const std::vector<Var<T>>& leaves,
                const std::vector<Parameter<T>*>& parameters) {
  const auto gradients = [&] {
    tape.zero_grad();
    for (Parameter<T>* p : parameters) p->zero_grad();
    tape.backward(y, full<T>(y.shape(), T(1)));
    std::vector<T> all;
    const auto add = [&](const Array<T>& g) {
      all.insert(all.end(), g.data(), g.data() + g.size());
    };
    for (const Var<T>& leaf : leaves) add(leaf.grad());
    for (const Parameter<T>* p : parameters) add(p->grad);
    return all;
  };
  const std::vector<T> first = gradients(), second = gradients();
  return std::equal(first.begin(), first.end(), second.begin(),
                    [](T a, T b) { return a == b || (std::isnan(a) && std::isnan(b)); });
}

// The derivative of f's pullback of u, at x, along v: by forward mode over reverse mode.
Values pull_along(const VarFunction<Dual<double>>& f, const std::vector<Array<double>>& inputs,
                  const Values& x, const std::vector<double>& u, const Values& v) {
  Tape<Dual<double>> tape;
  std::vector<Var<Dual<double>>> leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape& shape = inputs[i].shape();
    leaves.push_back(
        tape.leaf(duals(array_of<double>(x[i], shape), array_of<double>(v[i], shape))));
  }
  const Var<Dual<double>> y = f(tape, leaves);
  if (y.needs_grad()) tape.backward(y, array_of<Dual<double>>(u, y.shape()));
  Values result;
  for (const auto& leaf : leaves) result.push_back(values_of(tangents(leaf.grad())));
  return result;
}

}  // namespace

template <class T>
GradcheckReport detail::check_vars(const VarFunction<T>& f, const std::vector<Array<T>>& inputs,
                                   const std::vector<Parameter<T>*>& parameters,
                                   const GradcheckOptions& options) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    require(parameters[i] != nullptr, "gradcheck: parameter ", i, " is a null pointer");
  }
  const Subject<T> subject(f, inputs, parameters);
  GradcheckProblem problem;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    problem.inputs.push_back(input_of(std::to_string(i), inputs[i]));
  }
  for (const Parameter<T>* p : parameters) problem.inputs.push_back(input_of(p->name, p->value));
  problem.single = std::is_same_v<T, float>;

  Values at;
  for (const GradcheckInput& input : problem.inputs) at.push_back(input.values);
  Tape<T> tape;
  std::vector<Var<T>> leaves;
  const Var<T> result = subject.run(tape, at, leaves);
  const Shape& shape = result.shape();
  problem.output_shape.assign(shape.begin(), shape.end());

  if (result.needs_grad() && !same_twice(tape, result, leaves, parameters)) {
    GradcheckReport report;
    report.failure =
        "a second backward() on the same tape gives other gradients: a pullback changes a value, "
        "or "
        "what it has captured";
    return report;
  }
  problem.f = [&](const Values& x) { return subject.value(x); };
  problem.vjp = [&](const Values& x, const std::vector<double>& u) { return subject.pull(x, u); };
  problem.explain_not_finite = [&] { return subject.where_not_finite(at, element_count(shape)); };
  GradcheckReport report = gradcheck(problem, options);
  if (!report.ok() && report.failure.empty() && !result.needs_grad()) {
    report.failure =
        "the result of f needs no gradient, though it changes with the inputs: somewhere a Var's "
        "value() goes on as a constant";
  }
  return report;
}

GradcheckReport detail::check_second(const VarFunction<double>& f,
                                     const VarFunction<Dual<double>>& f_duals,
                                     const std::vector<Array<double>>& inputs,
                                     const GradcheckOptions& options) {
  const std::vector<Parameter<double>*> none;
  const Subject<double> subject(f, inputs, none);
  GradcheckProblem problem;
  Values at;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    problem.inputs.push_back(input_of(std::to_string(i), inputs[i]));
    at.push_back(problem.inputs.back().values);
  }
  const auto second = [&](const Values& x, const std::vector<double>& u, const Values& v) {
    return pull_along(f_duals, inputs, x, u, v);
  };
  if (options.mode == GradcheckMode::taylor) {
    problem.f = [&](const Values& x) { return subject.value(x); };
    problem.vjp = [&](const Values& x, const std::vector<double>& u) { return subject.pull(x, u); };
    problem.second = second;
    return gradcheck(problem, options);
  }
  // g(x) = J(x)'u, whose Jacobian is the Hessian of <u, f>. That is symmetric: its vjp is its jvp.
  Generator random(options.seed);
  const std::vector<double> u =
      values_of(random.uniform<double>(Shape{subject.value(at).size()}, 0.5, 1.5));
  problem.f = [&](const Values& x) {
    std::vector<double> g;
    for (const auto& part : subject.pull(x, u)) g.insert(g.end(), part.begin(), part.end());
    return g;
  };
  problem.vjp = [&](const Values& x, const std::vector<double>& gbar) {
    Values v;
    auto from = gbar.begin();
    for (const auto& part : x) {
      v.emplace_back(from, from + std::ptrdiff_t(part.size()));
      from += std::ptrdiff_t(part.size());
    }
    return second(x, u, v);
  };
  return gradcheck(problem, options);
}

void detail::check_direction(const char* op, const Shape& x, const Shape& v) {
  require_same_shape(op, "x", x, "v", v);
}

void detail::check_one_number(const char* op, const Shape& y) {
  require(element_count(y) == 1, op, ": f gives ", y, "; need one number");
}

void detail::wrong_arity(std::size_t inputs) {
  bad_argument("gradcheck: f does not take the ", inputs,
               " inputs that are given; it has to take so many Vars, or a std::vector of them");
}

INSTANTIATE(detail::check_vars)

}  // namespace tapesort
