// The headers that nearly every command includes, compiled once: half of a command's build time.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "engine/tape.hpp"
