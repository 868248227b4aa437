#include "apps/report/result_row.hpp"

#include <ctime>
#include <nlohmann/json.hpp>

#include "apps/training/ranks.hpp"
#include "engine/blas.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  gmtime_r(&now, &fields);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &fields);
  return text;
}

}  // namespace

nlohmann::json result_row(const std::string& task, const nlohmann::json& settings,
                          std::uint64_t seed) {
  const BlasReport& blas = blas_report();
  return {{"task", task},
          {"settings", settings},
          {"seed", seed},
          {"date", utc_now()},
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
