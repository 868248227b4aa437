// For tests by Catch2: TAPESORT_CHECK_GRADIENT(f, vjp, x) checks as gradcheck(f, vjp, x) does, and
// TAPESORT_CHECK_GRADIENT_FLOAT as gradcheck<float>; what fails shows its report. All of gradcheck's
// argument lists are taken; those of Vars and of layers need gradcheck/vars.hpp and layer.hpp beside this.
// TAPESORT_CHECK_REPORT(gradgradcheck(f, {x})) takes a report.
#pragma once

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "gradcheck/gradcheck.hpp"

#define TAPESORT_CHECK_GRADIENT(...) TAPESORT_CHECK_REPORT(::tapesort::gradcheck(__VA_ARGS__))
#define TAPESORT_CHECK_GRADIENT_FLOAT(...) \
  TAPESORT_CHECK_REPORT(::tapesort::gradcheck<float>(__VA_ARGS__))
#define TAPESORT_CHECK_REPORT(...)                                   \
  do {                                                               \
    const ::tapesort::GradcheckReport tapesort_report = __VA_ARGS__; \
    INFO(#__VA_ARGS__ "\n" << tapesort_report.text());               \
    CHECK(tapesort_report.ok());                                     \
  } while (false)
