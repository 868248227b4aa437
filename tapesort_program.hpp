// tapesort's program, to add methods and costs of one's own to: examples/program.cpp. They are entries
// of these tables, put there before run_program.
#pragma once

#include "apps/estimators/study.hpp"
#include "apps/experiments/knn_losses.hpp"
#include "apps/experiments/sorting_methods.hpp"
#include "apps/program/run_program.hpp"
#include "tapesort.hpp"
