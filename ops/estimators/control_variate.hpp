// REBAR (Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein 2017) and RELAX (Grathwohl, Choi, Wu,
// Roeder, Duvenaud 2018) for Plackett-Luce
// (Gadetsky, Struminsky, Robinson, Quadrianto, Vetrov 2020).
//
// Let z = s + G be perturbed scores and b the order that they sort to. For any function c of z,
//
//   grad F = E[ (f(b) - c(z)) grad log p(b) + grad c(z) - grad c(z~) ]
//
// where z~ is z given b: as a function of s it is conditional_perturbed(s, b, E), with E fixed.
// Why: E c(z), differentiated at fixed noise, is E grad c(z). Differentiated as an expectation over
// b of the conditional expectation given b, it is E[ c(z) grad log p(b) + grad c(z~) ]. Both are
// the same number, so their difference may be added to REINFORCE freely. If c(z) is close to f(b),
// the high-variance first term almost disappears.
//
// Each term may use the noise it likes, as only expectations count. We take E = the exponentials of
// z itself (arrival_exponentials), so that z~ = z in value, and one evaluation of c, differentiated
// along dz/ds - dz~/ds, does for both. (Independent noise for z~ needs two, and gave the same
// variance within 10 % wherever it was tried.)
//
// REBAR's c is eta f(relaxed_sort(z)): the cost itself at a relaxed permutation. (An offset beside
// it is a baseline: without one, a large mean of f that eta does not meet exactly stays.) RELAX's c
// is anything; adding a small network to REBAR's is what its authors did, a network alone does when
// f cannot be relaxed. The parameters phi of c change the variance and never the mean, so they are
// learnt by descending E |g|^2 = variance + const. Its gradient is E[2 g . dg/dphi], a second
// derivative of c, which this tape does not have; but g . dg/dphi needs c only along the direction
// g,
//
//   g . dg/dphi = d/dphi [ -(g . grad log p(b)) c(z) + (c(z + h w) - c(z - h w)) / (2 h) ],
//   w = (dz/ds - dz~/ds) g
//
// with g held fixed: the difference quotient stands for the derivative along w, and the tape then
// differentiates it with respect to phi exactly. So it costs three evaluations of c, whatever the
// number of parameters. h is the cube root of T's precision, for steps w / |g|.
#pragma once

#include <deque>

#include "engine/dual.hpp"
#include "engine/parameter.hpp"
#include "ops/estimators/estimators.hpp"

namespace tapesort {

template <class T> struct ControlVariate {
  // c(z): perturbed scores (S, ..., n), and phi in the order below -> (S, ...). The scores come as
  // PlackettLuce::near_zero has them: c sees no offset that is common to a row.
  std::function<Var<T>(const Var<T>& z, const std::vector<Var<T>>& phi)> value;
  std::deque<Parameter<T>> phi;
};

// eta f(relaxed_sort(z / temperature)) + offset, with phi = {eta, log_temperature, offset}, which
// begin as `eta`, 0 and 0. A relaxed_sort whose tau is in units of the scores works at
// temperature * tau.
template <class T>
ControlVariate<T> relaxed_control(MatrixCost<T> f, RelaxedSort<T> relaxed_sort, T eta = T(1));

// A network of one hidden layer: out . tanh(W z + bias) + offset, phi = {W, bias, out, offset}, for
// n items. It begins as the constant 0, with W drawn from N(0, 1 / n).
template <class T>
ControlVariate<T> network_control(std::size_t n, std::size_t hidden, Generator& random);

// c_1 + c_2, with the parameters of both.
template <class T> ControlVariate<T> sum_of(ControlVariate<T> first, ControlVariate<T> second);

enum class Learn { no, yes };

// The mean of f over S samples, with the gradient above. control.value must depend on nothing but
// its arguments: c is evaluated on a tape of its own (std::logic_error when it meets another one),
// with phi constant, so that f may have a gradient in other Vars and c does not disturb it. With
// Learn::yes it also adds the gradient of mean |g|^2 (over samples, summed over rows) to the grad
// of each of control.phi, for any optimiser to follow.
template <class T>
FirstOrder<T> control_variate_expectation(const Var<T>& log_scores, const OrderCost<T>& f,
                                          ControlVariate<T>& control, std::size_t samples,
                                          Generator& random, Learn learn = Learn::no);

}  // namespace tapesort
