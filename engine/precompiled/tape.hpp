// What every operator and layer includes, compiled once for all of them.
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/simd.hpp"
#include "engine/tape.hpp"
