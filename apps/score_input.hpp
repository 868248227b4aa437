// Sets of scores as a user types them, for `tapesort pl` and its like.
//
//     0.3 -1.2, 0.9      one set a line; spaces, tabs and commas separate; sets may differ in
//     length # a comment        blank lines and what follows a # are skipped
//
// What cannot be read throws std::invalid_argument that begins with "name:line:column: ".
#pragma once

#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/array.hpp"

namespace tapesort {

// All sets of a text, each 1-d, all numbers finite. At least one, or it throws.
std::vector<Array<double>> parse_score_sets(const std::string& text, const std::string& name);

// The same of integers.
std::vector<Indices> parse_index_sets(const std::string& text, const std::string& name);

// JSON, with the position of a syntax error in the form above.
nlohmann::json parse_json(const std::string& text, const std::string& name);
// A list of numbers, or a list of such lists: one set, or several. `key` is for the message.
std::vector<Array<double>> score_sets(const nlohmann::json& value, const std::string& key,
                                      const std::string& name);
std::vector<Indices> index_sets(const nlohmann::json& value, const std::string& key,
                                const std::string& name);

// The whole content of a file, or of standard input for "-". std::runtime_error if it cannot be
// read.
std::string read_text(const std::string& file);

}  // namespace tapesort
