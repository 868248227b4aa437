// For tests by Catch2: TAPESORT_CHECK_GRADIENT(f, vjp, x) checks as gradcheck(f, vjp, x) does, and
// shows the report of what fails. All of gradcheck's argument lists are taken; those of Vars and of layers
// need gradcheck/vars.hpp and layer.hpp beside this.
#pragma once

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "gradcheck/gradcheck.hpp"

#define TAPESORT_CHECK_GRADIENT(...)                                                        \
  do {                                                                                      \
    const ::tapesort::GradcheckReport tapesort_report = ::tapesort::gradcheck(__VA_ARGS__); \
    INFO("gradcheck(" #__VA_ARGS__ ")\n" << tapesort_report.text());                        \
    CHECK(tapesort_report.ok());                                                            \
  } while (false)
