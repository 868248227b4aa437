// Gradient checks in tests by Catch2; the macros are told in check_gradient.hpp.
#pragma once

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "gradcheck/check_gradient.hpp"

#define TAPESORT_CHECK_REPORT(...)                                   \
  do {                                                               \
    const ::tapesort::GradcheckReport tapesort_report = __VA_ARGS__; \
    INFO(#__VA_ARGS__ "\n" << tapesort_report.text());               \
    CHECK(tapesort_report.ok());                                     \
  } while (false)
