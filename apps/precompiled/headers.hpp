// What is large and included by several commands, compiled once.
#include <nlohmann/json.hpp>

#include "engine/tape.hpp"
