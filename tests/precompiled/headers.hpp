// What nearly every test includes, compiled once for all of them.
#include <nlohmann/json.hpp>

#include "../op_table.hpp"
