// The outcome of a run as one JSON object, complete enough to run it again.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tapesort {

// {"task", "settings", "seed", "date" (UTC),
//  "versions": {"tapesort", "native", "compiler", "blas"},
//  "machine": {"cpu features", "blas kernel", "blas kernel chosen by", "threads"}}.
// The task adds its numbers, and "seconds". Infinities and NaN become null.
nlohmann::json result_row(const std::string& task, const nlohmann::json& settings,
                          std::uint64_t seed);

// Writes the row, indented, by way of a temporary file (models/files/replace_file.hpp).
void write_result(const std::string& file, const nlohmann::json& row);

}  // namespace tapesort
