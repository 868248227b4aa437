// For tests by doctest: TAPESORT_CHECK_GRADIENT(f, {x, y}) checks as gradcheck(f, {x, y}) does, and
// shows the report of what fails. All of gradcheck's argument lists are taken.
#pragma once

#include <doctest/doctest.h>

#include "gradcheck/vars.hpp"

#define TAPESORT_CHECK_GRADIENT(...)                                                        \
  do {                                                                                      \
    const ::tapesort::GradcheckReport tapesort_report = ::tapesort::gradcheck(__VA_ARGS__); \
    CHECK_MESSAGE(tapesort_report.ok(), "gradcheck(" #__VA_ARGS__ ")\n"                     \
                                            << tapesort_report.text());                     \
  } while (false)
