#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/report/html_report.hpp"
#include "apps/report/progress.hpp"
#include "apps/report/result_row.hpp"
#include "engine/parallel.hpp"
#include "engine/threads.hpp"
#include "models/checkpoint.hpp"
#include "models/files/replace_file.hpp"
#include "op_table.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("a report is one HTML file with figures, curves and pictures") {
  const TemporaryFolder folder;
  folder.write("p.png", "abcd");
  const Plot plot{"", "epoch", "loss <1>", false, false, {{"a & b", {1, 2, 3}, {5, NAN, 4}, {}}}};
  const std::string html =
      html_report("t \"x\"", {{"accuracy", 0.5}, {"settings", {{"lr", "1e-3"}}}}, {plot},
                  {{"P <0>", {{0.25f, 1.0f}}}}, {folder / "p.png", folder / "none.png"});
  for (const char* part :
       {"<title>t &quot;x&quot;</title>", "<tr><th>accuracy</th><td>0.5</td></tr>",
        "<h2>settings</h2>", "<td>1e-3</td>", "loss &lt;1>", "a &amp; b",
        "points=\"60.0,30.0 680.0,250.0 \"", "<figcaption>P &lt;0>",
        "<rect x=\"10\" y=\"0\" width=\"9\" height=\"9\" fill=\"#4477aa\" fill-opacity=\"1.00\"/>",
        "src=\"data:image/png;base64,YWJjZA==\""}) {
    CHECK_MESSAGE(html.find(part) != std::string::npos, part);
  }
  CHECK(html.find("http") == std::string::npos);
  CHECK(html_report("t", {{"accuracy", 0.5}}, {{"", "", "", false, false, {{"", {}, {}, {}}}}}, {},
                    {})
            .find("nan") == std::string::npos);
}

namespace {

std::size_t files_in(const TemporaryFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return std::size_t(std::distance(begin(files), end(files)));
}

// While one lives, files cannot become longer than this: writing fails as it does on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : signal_before_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_before_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_;
  void (*signal_before_)(int);
};

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
  replace_file_content(folder / "row.json", {"af", "", "ter"});
  CHECK(folder.read("row.json") == "after");
  CHECK(files_in(folder) == 1);
  CHECK(error_of([&] { replace_file_content(folder / "row.json/x", {}); }) ==
        "exception: " + folder.path() + "/row.json: cannot be made: Not a directory");
}

TEST_CASE("a disk that is full is told with the file's own name and the reason") {
  const TemporaryFolder folder;
  const std::string file = folder / "row.json", reason = "cannot be written: File too large";
  replace_file_content(file, {"before"});
  {
    const FileSizeLimit limit(1000);
    const std::string content(1001, 'x');
    CHECK(error_of([&] { replace_file_content(file, {content}); }) ==
          "exception: " + file + ": " + reason);
    CHECK(error_of([&] {
            write_result(file, {{"key", content}});
          }) == "exception: " + file + ": " + reason);
    Checkpoint<float> checkpoint;
    checkpoint.arrays["weights"] = zeros<float>({1000});
    CHECK(error_of([&] { save_checkpoint(file, checkpoint); }) ==
          "exception: " + file + ": " + reason);
    replace_file_content(folder / "short", {content.substr(1)});
  }
  CHECK(folder.read("row.json") == "before");
  CHECK(folder.read("short").size() == 1000);
  CHECK(files_in(folder) == 2);
}

TEST_CASE("what a killed writer has left is used again, and two writers take turns") {
  const TemporaryFolder folder;
  const std::string file = folder / "row.json";
  folder.write("row.json.part", "half of something longer");
  replace_file_content(file, {"whole"});
  CHECK(folder.read("row.json") == "whole");
  CHECK(files_in(folder) == 1);
  folder.write("row.json.part", "half");
  check_replaceable(file);
  CHECK(folder.read("row.json") == "whole");
  CHECK(files_in(folder) == 1);

  // Each writes one letter many times: never a file of two letters, or of another length.
  const auto content = [](char letter) { return std::string(50000, letter); };
  std::vector<std::thread> writers;
  for (const char letter : {'a', 'b', 'c'}) {
    writers.emplace_back([&, letter] {
      for (int i = 0; i < 10; ++i) {
        replace_file(file, [&](const std::string& temporary) {
          std::ofstream out(temporary);
          for (int part = 0; part < 50; ++part) out << std::string(1000, letter) << std::flush;
        });
      }
    });
  }
  std::size_t torn = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string found = folder.read("row.json");
    torn += found != "whole" && found != content(found[0]);
  }
  for (std::thread& writer : writers) writer.join();
  CHECK(torn == 0);
  CHECK(files_in(folder) == 1);
}

TEST_CASE("only files are replaced") {
  const TemporaryFolder folder;
  CHECK(error_of([] { check_replaceable("a-name-without-a-folder"); }) == "no error");
  CHECK(!std::filesystem::exists("a-name-without-a-folder.part"));
  CHECK(error_of([] { replace_file_content("/dev/null", {"x"}); }) ==
        "exception: /dev/null: cannot be written: it is a device or the like; need a file, which "
        "is replaced");
  CHECK(error_of([&] { check_replaceable(folder.path()); }) ==
        "exception: " + folder.path() + ": cannot be written: it is a folder");
  std::filesystem::create_directory(folder / "x.part");
  CHECK(error_of([&] { check_replaceable(folder / "x"); }) ==
        "exception: " + (folder / "x") + ": cannot be written: " + (folder / "x.part") +
            ": Is a directory");
}
