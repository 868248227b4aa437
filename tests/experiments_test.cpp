// The commands that train and tabulate, end to end on the smallest of cases.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/experiments/digit_experiment.hpp"
#include "apps/experiments/paper.hpp"
#include "apps/experiments/sorting_methods.hpp"
#include "apps/program/processes.hpp"
#include "apps/program/program.hpp"
#include "models/checkpoint.hpp"
#include "models/saved_network.hpp"
#include "op_table.hpp"
#include "run_command.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;
using nlohmann::json;

namespace {

const std::string small =
    " --network mlp --digits 1 --n 3 --epochs 2 --epoch-steps 40 --validation-sets 30 --test-sets "
    "199";

json result(const TemporaryFolder& folder, const std::string& name = "out") {
  return json::parse(folder.read(name + "/result.json"));
}

TrainingOptions run_in(const std::string& out, bool resume = false, const std::string& save = "") {
  TrainingOptions options;
  options.out = out;
  options.resume = resume;
  options.save = save;
  return options;
}

}  // namespace

TEST_CASE("tapesort sort runs end to end, and the same seed gives the same result") {
  const TemporaryFolder folder;
  const std::string rate = " --lr 0.01";
  run(add_sort,
      "sort" + small + rate + " --out " + (folder / "out") + " --save " + (folder / "model"));
  const json row = result(folder);
  CHECK(row["task"] == "sort");
  CHECK(row["steps"] == 80);
  CHECK(row["settings"]["tau"] == 5);
  CHECK(row["settings"]["validation"] == 500);
  CHECK(row["permutation_accuracy"].get<double>() > 0.4);  // by chance 1 / 6, with ties about .22
  CHECK(row["element_accuracy"] >= row["permutation_accuracy"]);
  CHECK(row["soft_hard_gap"].get<double>() > 0);
  CHECK(load_checkpoint<float>(folder / "model").arrays.count("fc2.weight") == 1);
  const SavedNetwork saved = load_network(folder / "model");
  CHECK(saved.name == "mlp");
  CHECK(saved.outputs == 1);
  const std::string history = folder.read("out/history.csv");
  CHECK(history.rfind("epoch,step,loss,validation,learning_rate,seconds\n1,40,", 0) == 0);
  CHECK(history.find("\n2,80,") != std::string::npos);
  const std::string report = folder.read("out/report.html");
  CHECK(report.rfind("<!doctype html>", 0) == 0);
  CHECK(report.find("<th>permutation_accuracy</th>") != std::string::npos);
  CHECK(report.find("<polyline") != std::string::npos);
  CHECK(report.find(">validation, %</text>") != std::string::npos);
  const auto at_axis = [&](double y) {
    return report.find(printed("text-anchor=\"end\">%.4g</text>", y)) != std::string::npos;
  };
  const double best = 100 * row["validation"].get<double>();
  CHECK((at_axis(best) || at_axis(best + 0.5)));  // the latter when both epochs' are the same
  CHECK(report.find("true order, after epoch 1<") != std::string::npos);
  CHECK(report.find("true order, after epoch 2<") != std::string::npos);

  run(add_sort, "sort" + small + rate + " --out " + (folder / "again"));
  const json again = result(folder, "again");
  for (const char* key : {"permutation_accuracy", "element_accuracy", "soft_hard_gap"}) {
    CHECK(row[key] == again[key]);
  }
  CHECK(error_of([&] {
          run(add_sort, "sort" + small + rate + " --seed 2 --resume --out " + (folder / "out"));
        }).find("was made with seed = 1, this run has 2") != std::string::npos);
  CHECK(error_of([&] {
          run(add_sort, "sort" + small + rate + " --out " + (folder / "out"));
        }).find("go on with it by --resume, or use another folder") != std::string::npos);
  CHECK(result(folder) == row);
}

TEST_CASE("Newton losses train as well, for scores and for matrices") {
  for (const char* method : {"neural_sort", "sinkhorn"}) {
    CAPTURE(method);
    const TemporaryFolder folder;
    run(add_sort, "sort" + small + " --lr 0.01 --newton 0.1 --method " + method + " --out " +
                      (folder / "out"));
    const json row = result(folder);
    CHECK(row["settings"]["newton"] == 0.1);
    CHECK(row["element_accuracy"].get<double>() > 0.5);
  }
}

TEST_CASE("tapesort sort runs with every kind of method") {
  for (const char* method : {"row_stochastic", "gumbel_sinkhorn", "fast_soft_rank", "relax"}) {
    CAPTURE(method);
    const TemporaryFolder folder;
    run(add_sort, "sort" + small + " --lr 0.01 --method " + method + " --out " + (folder / "out"));
    const json row = result(folder);
    // Untrained networks have .38 to .43. row_stochastic needs longer, see sorting_methods_test.cpp.
    if (method != std::string("row_stochastic")) {
      CHECK(row["element_accuracy"].get<double>() > 0.5);
    }
    const bool has_matrix = row.contains("soft_hard_gap");
    const bool expected = sorting_method(method).gives == Gives::matrix;
    CHECK(has_matrix == expected);
  }
}

TEST_CASE("tapesort median runs end to end with baselines and with sorting methods") {
  double constant = 0;
  for (const char* method : {"constant", "vanilla", "neural_sort", "neural_sort_stochastic",
                             "sinkhorn", "reinforce", "relax"}) {
    CAPTURE(method);
    const TemporaryFolder folder;
    run(add_median, "median" + small + " --lr 0.01 --method " + std::string(method) + " --out " +
                        (folder / "out"));
    const json row = result(folder);
    CHECK(row["task"] == "median");
    CHECK(row["settings"]["learning_rate"] == 0.01);
    const double error = row["mean_squared_error"];
    const bool picks = std::string(method) != "constant" && std::string(method) != "vanilla";
    CHECK(row.contains("picked_right") == picks);
    if (picks) CHECK(error < 0.9 * constant);
    // One value for a picture is not enough where n outputs are needed.
    CHECK(row["settings"]["scores"] == (std::string(method) == "sinkhorn" ? "network" : "values"));
    if (std::string(method) == "constant") {
      CHECK(row["squared_correlation"].is_null());
      constant = error;
      CHECK(std::abs(constant - 5.31) < 1);  // the variance of the median of three of 0 .. 9
    }
  }
}

TEST_CASE("median's learning rate is the method's unless it is given") {
  for (const auto& [method, rate] : {std::pair("vanilla", 7e-4), std::pair("neural_sort", 2e-3)}) {
    const TemporaryFolder folder;
    run(add_median, "median" + small + " --method " + method + " --out " + (folder / "out"));
    CHECK(result(folder)["settings"]["learning_rate"] == rate);
  }
}

TEST_CASE("median's scores come from the values, or from a network of their own") {
  const TemporaryFolder folder;
  const auto parameters = [&](const std::string& scores) {
    run(add_median, "median" + small + " --scores " + scores + " --out " + (folder / scores) +
                        " --save " + (folder / (scores + ".model")));
    CHECK(result(folder, scores)["settings"]["scores"] == scores);
    return load_checkpoint<float>(folder / (scores + ".model")).arrays;
  };
  const auto of_values = parameters("values"), of_network = parameters("network");
  CHECK(of_values.count("values.fc1.weight") == 1);
  CHECK(of_values.count("scores.fc1.weight") == 0);
  CHECK(of_network.count("scores.fc1.weight") == 1);
  // Both have the values' network; beside it stands either a factor or a second network.
  CHECK(of_values.count("log_factor") == 1);
  CHECK(of_network.count("log_factor") == 0);
  CHECK(of_network.size() == 2 * (of_values.size() - 1));
}

TEST_CASE("quantile 1 is the largest number, 0 the smallest") {
  // A constant learns where they are.
  double number[2];
  for (const int quantile : {0, 1}) {
    const TemporaryFolder folder;
    run(add_median, "median" + small + " --method constant --lr 0.5 --quantile " +
                        std::to_string(quantile) + " --out " + (folder / "out") + " --save " +
                        (folder / "model"));
    number[quantile] = load_checkpoint<float>(folder / "model").arrays["number"].data()[0];
  }
  CHECK(number[0] < -1);  // from the middle, 4.5
  CHECK(number[1] > 1);
}

TEST_CASE("batches are functions of seed and step") {
  DigitOptions options;
  options.digits = 2;
  DigitPools pools(options), resumed(options);
  CHECK(options.validation == 500);
  CHECK(options.epoch_steps == 3500 / 40);
  CHECK(pools.number_shape().height == 56);
  pools.batch(0);
  pools.batch(1);
  const DigitSets third = pools.batch(2);
  CHECK(resumed.batch(2).images == third.images);
  CHECK(resumed.batch(2).labels == third.labels);

  Indices first, second;
  const auto labels = [](Indices& to) { return [&to](const DigitSets& s) { to = s.labels; }; };
  options.validation_sets = 10;
  pools.for_validation(labels(first));
  pools.for_validation(labels(second));
  CHECK(first == second);
  pools.for_test(labels(second));
  CHECK(first != second);
}

TEST_CASE("training, validation and test share no picture of a digit") {
  DigitOptions options;
  options.digits = 1;
  options.test_sets = 300;
  DigitPools pools(options);
  std::set<std::string> seen[3];
  const auto remember = [&](int pool) {
    return [&, pool](const DigitSets& sets) {
      const std::size_t bytes = sizeof(float) * sets.images.size() / sets.labels.size();
      const char* image = reinterpret_cast<const char*>(sets.images.data());
      for (std::size_t i = 0; i < sets.labels.size(); ++i, image += bytes) {
        seen[pool].insert(std::string(image, bytes));
      }
    };
  };
  for (std::size_t step = 0; step < 60; ++step) remember(0)(pools.batch(step));
  pools.for_validation(remember(1));
  pools.for_test(remember(2));
  CHECK(seen[0].size() > 2500);  // most of 3,500, of 500 and of 1,000
  CHECK(seen[1].size() > 400);
  CHECK(seen[2].size() > 700);
  for (const auto& [a, b] : {std::pair(0, 1), {0, 2}, {1, 2}}) {
    std::size_t shared = 0;
    for (const std::string& image : seen[a]) shared += seen[b].count(image);
    CHECK(shared == 0);
  }
}

TEST_CASE("paper_figures knows the paper's tables, also for .._published") {
  CHECK(paper_figures("sort", "neural_sort", "5")->first == 0.837);
  CHECK(paper_figures("sort", "sinkhorn_published", "15")->second == 0.078);
  CHECK(paper_figures("median", "vanilla", "9")->first == 699.15);
  CHECK(paper_figures("knn", "neural_sort", "cifar10:some/folder")->first == 0.907);
  CHECK(paper_figures("knn", "neural_sort", "mnist")->first == 0.995);
  CHECK(!paper_figures("sort", "lap_sum", "5"));
  CHECK(!paper_figures("sort", "neural_sort", "4"));
}

TEST_CASE("tapesort table runs what is missing and nothing twice") {
  // Stands for the program: a run notes that it was started and leaves a result made of its seed.
  const TemporaryFolder folder;
  folder.write("program",
               "#!/bin/sh\n"
               "task=$1 method=$3 n=$5 seed=$7 out=$9\n"
               "echo $method $n $seed >>" +
                   (folder / "started") +
                   "\n"
                   "[ $method$seed = sinkhorn2 ] && exit 3\n"
                   "echo '{\"task\": \"'$task'\", \"seed\": '$seed',"
                   " \"settings\": {\"method\": \"'$method'\", \"n\": '$n'},"
                   " \"permutation_accuracy\": 0.'$seed', \"element_accuracy\": 0.5}' "
                   ">$out/result.json\n");
  chmod((folder / "program").c_str(), 0755);
  const std::string command = "table sort --program " + (folder / "program") + " --out " +
                              (folder / "t") + " --n 5 --seeds 2,4 --methods ";
  run(add_table, command + "neural_sort -- --digits 1");
  CHECK(folder.read("started") == "neural_sort 5 2\nneural_sort 5 4\n");
  const json table = json::parse(folder.read("t/table.json"));
  const json cell = table["summary"][0];
  CHECK(cell["permutation_accuracy"]["seeds"] == 2);
  CHECK(cell["permutation_accuracy"]["mean"].get<double>() == doctest::Approx(0.3));
  CHECK(cell["permutation_accuracy"]["standard_deviation"].get<double>() ==
        doctest::Approx(std::sqrt(0.02)));
  CHECK(cell["permutation_accuracy"]["paper"] == 0.837);
  CHECK(table["cells"].size() == 2);
  CHECK(folder.read("t/table.md")
            .find("| neural_sort | ours | 0.300 +- 0.141 [2] (0.500 +- 0.000) "
                  "|\n| | paper | 0.837 (0.927) |\n") != std::string::npos);

  CHECK(folder.read("t/table.csv") ==
        "row,n,seed,permutation_accuracy,element_accuracy,validation,steps,seconds\n"
        "neural_sort,5,2,0.2,0.5,,,\nneural_sort,5,4,0.4,0.5,,,\n");

  // One more method, one of whose cells fails: the others are run, and only they.
  CHECK(error_of([&] { run(add_table, command + "neural_sort,sinkhorn -- --digits 1"); }) !=
        "no error");
  CHECK(folder.read("started") == "neural_sort 5 2\nneural_sort 5 4\nsinkhorn 5 2\nsinkhorn 5 4\n");
  CHECK(folder.read("t/table.md")
            .find("| sinkhorn | ours | 0.400 (0.500) |\n| | paper | 0.038 (0.293) |\n") !=
        std::string::npos);

  CHECK(error_of([&] {
          run(add_table, command + "neural_sort -- --digits 2");
        }).find("go on with the same arguments, or elsewhere") != std::string::npos);
  folder.write("t/neural_sort-5-seed2/result.json", "{}");
  CHECK(
      error_of([&] { run(add_table, command + "neural_sort -- --digits 1"); })
          .find(
              "result.json: is not the result of sort by neural_sort with --n 5 --seed 2; move it "
              "away") != std::string::npos);
}

TEST_CASE("tapesort table refuses what would mix results, and forgives what left none") {
  const TemporaryFolder folder;
  folder.write("program", "#!/bin/sh\n[ \"$1\" = sort ] && exit 3\n");
  chmod((folder / "program").c_str(), 0755);
  const std::string rest = " --program " + (folder / "program") + " --out " + (folder / "t") +
                           " --n 5 --methods neural_sort --seeds ";
  // All cells fail: what was mistyped can be said anew.
  CHECK(error_of([&] { run(add_table, "table sort" + rest + "1 -- --epoch 3"); }) != "no error");
  CHECK(json::parse(folder.read("t/grid.json"))["arguments"] == json{"--epoch", "3"});
  CHECK(error_of([&] { run(add_table, "table sort" + rest + "1 -- --epochs 3"); }) != "no error");
  CHECK(json::parse(folder.read("t/grid.json"))["arguments"] == json{"--epochs", "3"});

  const std::string row =
      R"({"task": "sort", "seed": 1, "settings": {"method": "neural_sort", "n": 5}})";
  folder.write("t/neural_sort-5-seed1/result.json", row);
  run(add_table, "table sort --report" + rest + "1");
  const std::string before = folder.read("t/table.json");
  CHECK(error_of([&] {
          run(add_table, "table median --report" + rest + "1");
        }).find("is not the result of median by neural_sort") != std::string::npos);
  CHECK(folder.read("t/table.json") == before);

  CHECK(error_of([&] { run(add_table, "table sort --report" + rest + "1,2,1"); }) ==
        "invalid_argument: table: --seeds names 1 twice");
  for (const char* wrong : {"--n 05", "--n 5,x", "--seeds -1", "--n 3, 5"}) {
    CAPTURE(wrong);
    const std::string error =
        error_of([&] { run(add_table, "table sort --out " + (folder / "t") + " " + wrong); });
    CHECK((error.find("need a") != std::string::npos ||
           error.find("\"5\" is no option of a cell") != std::string::npos));
  }
  CHECK(error_of([&] {
          run(add_table, "table sort --report --n 5 --out " + (folder / "nowhere"));
        }).find("there is no folder") != std::string::npos);
  CHECK(!std::filesystem::exists(folder / "nowhere"));
}

TEST_CASE("what stops a table is passed on to its cell, and the table stops with it") {
  // A cell that, when it has started, has its table stopped, and says what came to itself. It gives
  // up after a while.
  const TemporaryFolder folder;
  folder.write("program", "#!/bin/sh\necho $7 >>'" + (folder / "started") +
                              "'\n"
                              "for signal in INT TERM HUP; do\n"
                              "  trap \"echo $signal >>'" +
                              (folder / "came") +
                              "'; exit 0\" $signal\n"
                              "done\n"
                              "kill -$(cat '" +
                              (folder / "signal") +
                              "') $PPID\n"
                              "i=0\n"
                              "while [ $i -lt 3000000 ]; do i=$((i + 1)); done\n"
                              "exit 5\n");
  chmod((folder / "program").c_str(), 0755);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string name = signal_name(signal).substr(3);  // as the shell's kill has it
    CAPTURE(name);
    const auto before = std::signal(signal, SIG_DFL);
    folder.write("signal", name);
    folder.write("started", "");
    folder.write("came", "");
    int code = 0;
    try {
      run(add_table, "table sort --program " + (folder / "program") + " --out " + (folder / "t") +
                         " --n 5 --methods neural_sort --seeds 1,2");
    } catch (const CLI::RuntimeError& error) {
      code = error.get_exit_code();
    }
    std::signal(signal, before);
    CHECK(code == 128 + signal);
    CHECK(folder.read("came") == std::string(name) + "\n");
    CHECK(folder.read("started") == "1\n");
  }
}

TEST_CASE("a table's cell that cannot be started, and a result that is no JSON, are told by name") {
  const TemporaryFolder folder;
  folder.write("program", "");  // cannot be executed
  const std::string command = "table sort --program " + (folder / "program") + " --out " +
                              (folder / "t") + " --n 5 --methods neural_sort --seeds 1";
  const std::string cell = folder / "t/neural_sort-5-seed1/";
  CHECK(error_of([&] { run(add_table, command); }) ==
        "exception: table: cannot run " + (folder / "program") + " with its output in " + cell +
            "output.txt: Permission denied");
  std::string deep;
  for (int i = 0; i < 200000; ++i) deep += "{\"settings\":";
  folder.write("t/neural_sort-5-seed1/result.json", deep + "1" + std::string(200000, '}'));
  CHECK(error_of([&] { run(add_table, command); }) ==
        "exception: " + cell + "result.json: JSON nested too deeply; expected at most 16 levels");
  folder.write("t/neural_sort-5-seed1/result.json", "{");
  CHECK(error_of([&] { run(add_table, command); }) ==
        "exception: " + cell + "result.json: not JSON, or cut off");
}

TEST_CASE("a table whose commands were printed keeps its arguments, and its cells their cores") {
  const TemporaryFolder folder;
  const std::string command =
      "table sort --commands --n 5 --methods neural_sort --seeds 1 --out " + (folder / "t");
  const auto parse = [](const std::string& text) {
    CLI::App program;
    program.add_option("--threads");
    program.fallthrough();
    add_table(program);
    const Quiet quiet;
    program.parse(text, false);
  };
  parse(command + " --threads 3 --data mnist -- --epochs 1");
  CHECK(json::parse(folder.read("t/grid.json"))["arguments"] ==
        json{"--data", "mnist", "--threads", "3", "--epochs", "1"});
  parse("table sort --commands --out " + (folder / "own") + " --threads 3 -- --threads 1");
  CHECK(json::parse(folder.read("own/grid.json"))["arguments"] == json{"--threads", "1"});
  CHECK(error_of([&] {
          run(add_table, command + " -- --epochs 2");
        }).find("or remove that file if its commands will not be run") != std::string::npos);
}

TEST_CASE("tapesort table has a row for each combination of what --set lists") {
  const TemporaryFolder folder;
  const std::string command = "table sort --commands --n 5 --methods neural_sort --seeds 1 --out " +
                              (folder / "t") + " --set tau=1,5 --set lr=0.1,0.2 ";
  const std::string arguments = "-- --digits 3";  // an option that is repeated leaves them alone
  CLI::App program;
  add_table(program);
  const Redirected output(stdout, folder / "out");
  program.parse(command + arguments, false);
  std::fflush(stdout);
  const std::string lines = folder.read("out");
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 4);
  CHECK(lines.find("t/neural_sort-tau=5-lr=0.1-5-seed1 --resume --tau 5 --lr 0.1 --digits 3\n") !=
        std::string::npos);
  for (const char* wrong : {"tau", "=1", "tau=", "tau=x"}) {
    CAPTURE(wrong);
    CHECK(error_of([&] {
            run(add_table, command + "--set " + wrong + " " + arguments);
          }).find("table: --set " + std::string(wrong).substr(0, 2)) != std::string::npos);
  }
  CHECK(error_of([&] { run(add_table, command + "--set taus=1 " + arguments); }) ==
        "invalid_argument: table: --set taus: sort has no option --taus");
}

TEST_CASE("a figure that some seeds have not says how many it is the mean of") {
  const TemporaryFolder folder;
  for (const auto& [seed, r2] : {std::pair("1", "0.7"), {"2", "null"}, {"3", "0.5"}}) {
    const std::string number = seed;
    folder.write("t/vanilla-5-seed" + number + "/result.json",
                 R"({"task": "median", "seed": )" + number +
                     R"(, "settings": {"method": "vanilla", "n": 5}, "mean_squared_error": 1e5, )" +
                     R"("squared_correlation": )" + r2 + "}");
  }
  run(add_table, "table median --report --n 5 --methods vanilla --out " + (folder / "t"));
  CHECK(folder.read("t/table.md").find("| 10.00 +- 0.00 [3] (0.60 +- 0.14 [2]) |") !=
        std::string::npos);
}

TEST_CASE("a run whose results cannot be written, or whose folder is taken, does not begin") {
  const TemporaryFolder folder;
  folder.write("file", "");
  CHECK(error_of([&] {
          run(add_sort, "sort" + small + " --save " + folder.path());
        }).find(": cannot be written: it is a folder") != std::string::npos);
  CHECK(error_of([&] {
          run(add_sort, "sort" + small + " --out " + (folder / "file/out"));
        }).find(": cannot be made: ") != std::string::npos);
  const std::string out = folder / "out";
  {
    const RunFolder held(run_in(out));
    CHECK(error_of([&] { run(add_median, "median" + small + " --out " + out); }) ==
          "exception: " + out +
              ": another run is working here; wait for it, or use another folder");
  }
  CHECK(!std::filesystem::exists(out + "/result.json"));
  run(add_median, "median" + small + " --method constant --out " + out);
  CHECK(std::filesystem::exists(out + "/result.json"));
}

TEST_CASE("a model is not saved over a file of the run itself") {
  const TemporaryFolder folder;
  const std::string out = folder / "out";
  for (const char* name : run_files) {
    for (const std::string& save : {out + "/" + name, out + "/./../out/" + name}) {
      CAPTURE(save);
      CHECK(error_of([&] { RunFolder(run_in(out, true, save)); }) ==
            "exception: " + save + ": the run's own file; save the model under another name");
    }
  }
  std::filesystem::create_directory_symlink(out, folder / "link");
  CHECK(error_of([&] {
          RunFolder(run_in(out, true, folder / "link/checkpoint.safetensors"));
        }).find("the run's own file") != std::string::npos);
  CHECK(error_of([&] { RunFolder(run_in(out, true, out + "/model.safetensors")); }) == "no error");
  std::filesystem::create_directory(out + "/result.json");
  CHECK(error_of([&] { RunFolder(run_in(out, true)); }) ==
        "exception: " + out + "/result.json: cannot be written: it is a folder");
}

TEST_CASE("a run does not begin where it cannot lock, and removes what a killed one left") {
  const TemporaryFolder folder;
  const std::string out = folder / "out";
  folder.write("out/checkpoint.safetensors.part", "half");
  folder.write("out/.lock", "");
  { const RunFolder run(run_in(out)); }
  CHECK(!std::filesystem::exists(out + "/checkpoint.safetensors.part"));

  // The lock is of another user. Root may open it all the same.
  REQUIRE(chmod(out.c_str(), 0777) == 0);
  REQUIRE(chmod((out + "/.lock").c_str(), 0) == 0);
  const bool root = geteuid() == 0;
  constexpr uid_t nobody = 65534;
  if (root) REQUIRE(chmod(folder.path().c_str(), 0777) == 0);
  if (root) REQUIRE(seteuid(nobody) == 0);
  const std::string error = error_of([&] { RunFolder(run_in(out)); });
  if (root) REQUIRE(seteuid(0) == 0);
  CHECK(error == "exception: " + out +
                     ": its .lock cannot be opened: Permission denied, or use another folder");
}

TEST_CASE("the experiments refuse values that mean nothing") {
  for (const char* options :
       {" --epochs -1", " --epoch-steps -1", " --validation -1", " --resume"}) {
    CAPTURE(options);
    CHECK(error_of([&] { run(add_sort, std::string("sort") + options); }) != "no error");
    CHECK(error_of([&] { run(add_knn, std::string("knn") + options); }) != "no error");
  }
  CHECK(error_of([&] { run(add_sort, "sort --batch 0"); }) ==
        "exception: --batch: need a whole number from 1 to 1000000, got 0");
  CHECK(error_of([&] { run(add_sort, "sort --lr nan"); }) ==
        "exception: --lr: need a number from 0 to 1e+38, got nan");
  CHECK(error_of([&] { run(add_sort, "sort --seed -1"); }) ==
        "exception: --seed: need a whole number from 0 to 18446744073709551615, got -1");
  CHECK(error_of([&] {
          run(add_sort, "sort --validation 3 --out " + TemporaryFolder().path());
        }).find("the validation images, with --validation 3: no image of digit ") !=
        std::string::npos);
  CHECK(error_of([&] {
          run(add_sort, "sort --method reinforce --samples 1");
        }).find("need --samples >= 2, got 1") != std::string::npos);
  CHECK(error_of([&] {
          run(add_knn, "knn --epochs 1 --minutes 1");
        }).find("--epochs excludes --minutes") != std::string::npos);
  CHECK(error_of([&] { run(add_median, "median --quantile nan"); }) ==
        "exception: --quantile: need a number from 0 to 1, got nan");
  CHECK(error_of([&] {
          run(add_median,
              "median --method constant --network mlp --digits 1 --n 3 --epochs 1 "
              "--epoch-steps 2 --validation-sets 1 --test-sets 2");
        }).find("all 1 validation sets have the same quantile") != std::string::npos);
}
