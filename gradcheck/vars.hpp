// Gradient checks of functions of Vars, and of what has Parameters.
//
//     GradcheckReport report = gradcheck(
//         [](Var<double> a, Var<double> b) { return my_loss(a, b); },
//         {random.normal<double>({3, 4}), random.normal<double>({4})});
//     std::cout << report.text();
//     assert(report.ok());
//
// f takes up to eight Vars, or a std::vector of them, after a Tape& when it wants one: to put the
// Parameters on that are to be checked too, given as the last argument. gradcheck<float> checks
// what is computed in float, to about three digits. (random: a Generator, engine/random.hpp.)
//
// f is called on fresh tapes and must be a function of its inputs alone. (A random f makes its
// generator anew from the same seed in each call.)
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "engine/dual.hpp"
#include "engine/parameter.hpp"
#include "gradcheck/gradcheck.hpp"

namespace tapesort {

template <class T> using VarFunction = std::function<Var<T>(Tape<T>&, const std::vector<Var<T>>&)>;

namespace detail {

template <class T>
GradcheckReport check_vars(const VarFunction<T>& f, const std::vector<Array<T>>& inputs,
                           const std::vector<Parameter<T>*>& parameters,
                           const GradcheckOptions& options);

template <class T, std::size_t> using VarAt = const Var<T>&;

// Calls f with as many Vars as it takes, when that is how many there are.
template <class T, class F, class... Before, std::size_t... I>
bool call(Var<T>& result, const F& f, const std::vector<Var<T>>& x, std::index_sequence<I...>,
          Before&... before) {
  if constexpr (std::is_invocable_v<const F&, Before&..., VarAt<T, I>...>) {
    using Result = std::invoke_result_t<const F&, Before&..., VarAt<T, I>...>;
    static_assert(std::is_convertible_v<Result, Var<T>>, "f has to return a Var<T>");
    if (x.size() != sizeof...(I)) return false;
    if constexpr (std::is_convertible_v<Result, Var<T>>) result = f(before..., x[I]...);
    return true;
  }
  return false;
}

template <class T, class F, class... Before, std::size_t... N>
bool call_any(Var<T>& result, const F& f, const std::vector<Var<T>>& x, std::index_sequence<N...>,
              Before&... before) {
  return (call<T>(result, f, x, std::make_index_sequence<N>(), before...) || ...);
}
template <class F, class T, class... Before, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return std::is_invocable_v<const F&, Before&..., VarAt<T, I>...>;
}
template <class F, class T, class... Before, std::size_t... N>
constexpr bool takes_vars(std::index_sequence<N...>) {
  return (takes<F, T, Before...>(std::make_index_sequence<N>()) || ...);
}

// Layers have an overload of their own (layer.hpp).
template <class F, class = void> struct IsLayer : std::false_type {};
template <class F>
struct IsLayer<F, std::void_t<decltype(std::declval<F&>().state())>> : std::true_type {};

[[noreturn]] void wrong_arity(std::size_t inputs);

// f in the one form that the checker calls. Vars are tried first: a generic lambda takes Vars.
template <class T, class F> VarFunction<T> in_one_form(const F& f) {
  return [&f](Tape<T>& tape, const std::vector<Var<T>>& x) {
    static_cast<void>(tape);
    constexpr std::index_sequence<1, 2, 3, 4, 5, 6, 7, 8> some;
    constexpr std::make_index_sequence<9> any;  // none where all that changes are Parameters
    Var<T> result;
    if constexpr (takes_vars<F, T>(some)) {
      if (!call_any<T>(result, f, x, some)) wrong_arity(x.size());
    } else if constexpr (std::is_invocable_v<const F&, const std::vector<Var<T>>&>) {
      result = f(x);
    } else if constexpr (std::is_invocable_v<const F&, Tape<T>&, const std::vector<Var<T>>&>) {
      result = f(tape, x);
    } else {
      static_assert(takes_vars<F, T, Tape<T>>(any),
                    "f has to take Vars, by value or const: Var<double>, Var<float> in "
                    "gradcheck<float>, any in gradgradcheck; after a Tape&, if it wants one");
      if (!call_any<T>(result, f, x, any, tape)) wrong_arity(x.size());
    }
    return result;
  };
}

GradcheckReport check_second(const VarFunction<double>& f, const VarFunction<Dual<double>>& f_duals,
                             const std::vector<Array<double>>& inputs,
                             const GradcheckOptions& options);

}  // namespace detail

// std::invalid_argument when f does not take as many Vars as there are inputs.
template <class T = double, class F, class = std::enable_if_t<!detail::IsLayer<F>::value>>
GradcheckReport gradcheck(const F& f, const std::vector<Array<std::common_type_t<T>>>& inputs,
                          const GradcheckOptions& options = {},
                          const std::vector<Parameter<std::common_type_t<T>>*>& parameters = {}) {
  return detail::check_vars<T>(detail::in_one_form<T>(f), inputs, parameters, options);
}

// Checks second derivatives, those of the gradient of <u, f> for a random u: for an f that takes Vars of
// any type (derivatives.hpp). The Taylor mode shows the orders of f, 1, and of its two remainders, 2
// and 3.
template <class F>
GradcheckReport gradgradcheck(const F& f, const std::vector<Array<double>>& inputs,
                              const GradcheckOptions& options = {}) {
  return detail::check_second(detail::in_one_form<double>(f), detail::in_one_form<Dual<double>>(f),
                              inputs, options);
}

}  // namespace tapesort
