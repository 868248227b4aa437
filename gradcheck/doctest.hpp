// Gradient checks in tests by doctest; the macros are told in check_gradient.hpp.
#pragma once

#include <doctest/doctest.h>

#include "gradcheck/check_gradient.hpp"

#define TAPESORT_CHECK_REPORT(...)                                                    \
  do {                                                                                \
    const ::tapesort::GradcheckReport tapesort_report = __VA_ARGS__;                  \
    CHECK_MESSAGE(tapesort_report.ok(), #__VA_ARGS__ "\n" << tapesort_report.text()); \
  } while (false)
