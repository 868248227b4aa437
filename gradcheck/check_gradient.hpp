// The macros of doctest.hpp, catch2.hpp and googletest.hpp, each of which says how a report is checked:
//
//   TAPESORT_CHECK_GRADIENT(f, vjp, x)         gradcheck(f, vjp, x); all of its argument lists are taken
//   TAPESORT_CHECK_GRADIENT_FLOAT(f, vjp, x)   gradcheck<float>
//   TAPESORT_CHECK_REPORT(gradgradcheck(f, {x}))   any report
//
// What fails shows its report. Functions of Vars need gradcheck/vars.hpp beside this, layers layer.hpp.
#pragma once

#include "gradcheck/gradcheck.hpp"

#define TAPESORT_CHECK_GRADIENT(...) TAPESORT_CHECK_REPORT(::tapesort::gradcheck(__VA_ARGS__))
#define TAPESORT_CHECK_GRADIENT_FLOAT(...) \
  TAPESORT_CHECK_REPORT(::tapesort::gradcheck<float>(__VA_ARGS__))
