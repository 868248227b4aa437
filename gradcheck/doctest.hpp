// For tests by doctest: TAPESORT_CHECK_GRADIENT(f, vjp, x) checks as gradcheck(f, vjp, x) does, and
// shows the report of what fails. All of gradcheck's argument lists are taken; those of Vars and of layers
// need gradcheck/vars.hpp and layer.hpp beside this.
#pragma once

#include <doctest/doctest.h>

#include "gradcheck/gradcheck.hpp"

#define TAPESORT_CHECK_GRADIENT(...)                                                        \
  do {                                                                                      \
    const ::tapesort::GradcheckReport tapesort_report = ::tapesort::gradcheck(__VA_ARGS__); \
    CHECK_MESSAGE(tapesort_report.ok(), "gradcheck(" #__VA_ARGS__ ")\n"                     \
                                            << tapesort_report.text());                     \
  } while (false)
