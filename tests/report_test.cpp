#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/report/progress.hpp"
#include "apps/report/result_row.hpp"
#include "engine/parallel.hpp"
#include "models/replace_file.hpp"
#include "op_table.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

std::size_t files_in(const TemporaryFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return std::size_t(std::distance(begin(files), end(files)));
}

}  // namespace

TEST_CASE("with a budget of time, the progress line counts down to its end") {
  std::ostringstream out;
  double now = 0;
  Progress progress("knn", 1000, 3, 0, {&out, false, 1e9, [&] { return now; }});
  progress.stop_after(600);
  now = 60;
  progress.step(2.0, 6000);
  CHECK(progress.line() == "knn  epoch 1  step 1/3  loss 2  100 images/s  9 min 0 s left");
}

TEST_CASE("the progress line tells epoch, mean loss, validation, rate and the time left") {
  std::ostringstream out;
  double now = 100;
  {
    Progress progress("knn", 2, 3, 0, {&out, false, 10.0, [&] { return now; }});
    CHECK(progress.line() == "knn  epoch 1/2  step 0/3");
    CHECK(std::isnan(progress.epoch_loss()));
    now += 4;
    progress.step(2.0, 5000);  // 4 s: too early for a line
    CHECK(out.str() == "");
    now += 4;
    progress.step(1.0, 5000);
    CHECK(out.str() == "");
    now += 4;
    progress.step(0.6, 5000);
    const std::string third = "knn  epoch 1/2  step 3/3  loss 1.2  1,250 images/s  12 s left\n";
    CHECK(out.str() == third);
    CHECK(progress.epoch_loss() == doctest::Approx(1.2));
    progress.validated(0.947);
    const std::string validation =
        "knn  epoch 1/2  step 3/3  loss 1.2  validation 94.70 %  1,250 images/s  12 s left\n";
    CHECK(out.str() == third + validation);
    now += 4;
    progress.step(0.25, 5000);
    CHECK(out.str() == third + validation);
    CHECK(progress.line() ==
          "knn  epoch 2/2  step 1/3  loss 0.25  validation 94.70 %  1,250 images/s  8 s left");
    out.str("");
  }
  CHECK(out.str() ==
        "knn  epoch 2/2  step 1/3  loss 0.25  validation 94.70 %  1,250 images/s  8 s left\n");
}

TEST_CASE("on a terminal the progress line is rewritten, and ended once") {
  std::ostringstream out;
  double now = 0;
  {
    Progress progress("sort", 1, 2, 0, {&out, true, 0.1, [&] { return now; }});
    for (int i = 0; i < 2; ++i) {
      now += 1;
      progress.step(0.5, 10);
    }
  }
  const std::string last = "\rsort  epoch 1/1  step 2/2  loss 0.5  10 images/s  0 s left\x1b[K";
  CHECK(out.str() ==
        "\rsort  epoch 1/1  step 1/2  loss 0.5  10 images/s  1 s left\x1b[K" + last + "\n");
}

TEST_CASE("a resumed training counts its earlier steps as done, but not their time") {
  std::ostringstream out;
  double now = 0;
  Progress progress("sort", 2, 4, 5, {&out, false, 1e9, [&] { return now; }});
  now += 10;
  progress.step(1.0, 100);
  CHECK(progress.line() == "sort  epoch 2/2  step 2/4  loss 1  10 images/s  20 s left");
  CHECK(duration_text(59.5) == "1 min 0 s");
  CHECK(duration_text(3 * 3600 + 7 * 60) == "3 h 7 min");
  CHECK(error_of([] { Progress("x", 1, 0); }) ==
        "invalid_argument: Progress: need steps_per_epoch >= 1, got 0");
}

TEST_CASE("a result row holds the settings and what the run depended on") {
  const TemporaryFolder folder;
  nlohmann::json row = result_row("knn", {{"k", 9}, {"tau", 16.0}}, 18446744073709551615u);
  row["test accuracy"] = 0.9512345678901234;
  row["loss"] = std::numeric_limits<double>::quiet_NaN();
  write_result(folder / "deeper/row.json", row);  // makes the folder
  const nlohmann::json read = nlohmann::json::parse(folder.read("deeper/row.json"));
  CHECK(read["task"] == "knn");
  CHECK(read["settings"]["k"] == 9);
  CHECK(read["seed"] == 18446744073709551615u);
  CHECK(read["versions"]["tapesort"] == TAPESORT_VERSION);
  CHECK(read["machine"]["threads"] == threads());
  CHECK(read["machine"]["blas kernel"].get<std::string>() != "");
  CHECK(read["test accuracy"].get<double>() == 0.9512345678901234);
  CHECK(read["loss"].is_null());
}

TEST_CASE("a file that cannot be written whole stays as it was") {
  const TemporaryFolder folder;
  folder.write("row.json", "before");
  CHECK(error_of([&] {
          replace_file(folder / "row.json", [](const std::string& temporary) {
            std::ofstream(temporary) << "half";
            throw std::runtime_error("no more");
          });
        }) == "exception: no more");
  CHECK(folder.read("row.json") == "before");
  CHECK(files_in(folder) == 1);
  replace_file_content(folder / "row.json", "after");
  CHECK(folder.read("row.json") == "after");
  CHECK(files_in(folder) == 1);
  CHECK(error_of([&] { replace_file_content(folder / "row.json/x", ""); }) ==
        "exception: " + folder.path() + "/row.json: cannot be made: Not a directory");
}
