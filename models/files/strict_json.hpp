// JSON from a file that may be damaged or made to do harm.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace tapesort {

// std::runtime_error "source: what is wrong" unless the text is one JSON value, nested at most
// `deepest` levels (copying, comparing and printing recurse), whose objects have no key twice (of
// which the last would win).
nlohmann::json parse_strict_json(const std::string& source, std::string_view text, int deepest);

// Printing is compiled here once, as it takes seconds. Infinities and NaN become null,
// bytes that are no UTF-8 (in names of files) U+FFFD.
std::string text_of(const nlohmann::json& value, int indent = -1);

// A value as messages show it: on one line, ASCII, shortened.
std::string shown(const nlohmann::json& value);

}  // namespace tapesort
