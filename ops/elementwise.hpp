// All operators that act on each element alone.
#pragma once

#include "ops/arithmetic.hpp"
#include "ops/functions.hpp"
#include "ops/select.hpp"
