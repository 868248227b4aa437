// For tests by Catch2: TAPESORT_CHECK_GRADIENT(f, {x, y}) checks as gradcheck(f, {x, y}) does, and
// shows the report of what fails. All of gradcheck's argument lists are taken.
#pragma once

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "gradcheck/vars.hpp"

#define TAPESORT_CHECK_GRADIENT(...)                                                        \
  do {                                                                                      \
    const ::tapesort::GradcheckReport tapesort_report = ::tapesort::gradcheck(__VA_ARGS__); \
    INFO("gradcheck(" #__VA_ARGS__ ")\n" << tapesort_report.text());                        \
    CHECK(tapesort_report.ok());                                                            \
  } while (false)
