#include "apps/report/result_row.hpp"

#include <ctime>
#include <iomanip>
#include <nlohmann/json.hpp>

#include "apps/training/ranks.hpp"
#include "engine/blas.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {

nlohmann::json result_row(const std::string& task, const nlohmann::json& settings,
                          std::uint64_t seed) {
  const std::time_t now = std::time(nullptr);
  const BlasReport& blas = blas_report();
  return {{"task", task},
          {"settings", settings},
          {"seed", seed},
          {"date", to_message(std::put_time(std::gmtime(&now), "%Y-%m-%dT%H:%M:%SZ"))},
          {"versions",
           {{"tapesort", TAPESORT_VERSION},
            {"native", bool(TAPESORT_NATIVE)},
            {"compiler", __VERSION__},
            {"blas", blas.library}}},
          {"machine",
           {{"cpu features", blas.cpu},
            {"blas kernel", blas.kernel},
            {"blas kernel chosen by", blas.chosen_by},
            {"threads", threads()},
            {"processes", rank_count()}}}};
}

void write_result(const std::string& file, const nlohmann::json& row) {
  replace_file_content(file, {text_of(row, 2), "\n"});
}

}  // namespace tapesort
