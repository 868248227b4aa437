// The program as a whole: its command line, its errors, its standard output.
#include "apps/program/program.hpp"

#include <cmath>
#include <functional>
#include <new>

#include "models/npy.hpp"
#include "op_table.hpp"
#include "run_command.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// visit(words, option) for every option of the program and all its commands; `words` lead there.
void for_options(CLI::App& app, const std::vector<std::string>& words,
                 const std::function<void(const std::vector<std::string>&, CLI::Option*)>& visit) {
  for (CLI::Option* option : app.get_options()) visit(words, option);
  for (CLI::App* command : app.get_subcommands({})) {
    std::vector<std::string> longer = words;
    longer.push_back(command->get_name());
    for_options(*command, longer, visit);
  }
}

Outcome fails(std::vector<const char*> words) {
  Outcome outcome = run_program(words);
  CAPTURE(outcome.error);
  CHECK(outcome.status != 0);
  CHECK(outcome.out == "");
  CHECK(outcome.error.rfind("tapesort: ", 0) == 0);
  CHECK(outcome.error.find('\n') + 1 == outcome.error.size());  // one line
  return outcome;
}

}  // namespace

TEST_CASE("every option that takes a number says which, and refuses all else by name") {
  CLI::App all;
  declare(all);
  int options = 0;
  for_options(all, {}, [&](const std::vector<std::string>& words, CLI::Option* option) {
    const std::string type = option->get_type_name(), name = option->get_name();
    const bool real = type.find("FLOAT") == 0;
    if (!real && type.find("INT") != 0 && type.find("UINT") != 0) return;
    ++options;
    CAPTURE(name);
    std::vector<std::string> values{"nan",    "-nan", "inf", "-inf", "1e999", "-1",
                                    "1e-999", "x",    "1x",  "",     " ",     "-1e30"};
    if (!real)
      values.insert(values.end(), {"18446744073709551616", "36893488147419103233", "010", "0x10",
                                   "+5", "1.5", "1e3"});
    for (const std::string& value : values) {
      CAPTURE(value);
      std::vector<const char*> line;
      for (const std::string& word : words) line.push_back(word.c_str());
      const std::string both = name + "=" + value;
      if (value.empty()) {
        line.insert(line.end(), {name.c_str(), ""});
      } else {
        line.push_back(both.c_str());
      }
      const Outcome outcome = fails(line);
      CHECK(outcome.status == 2);
      CHECK(outcome.error.find(name + ": need a ") != std::string::npos);
    }
  });
  CHECK(options > 50);
}

TEST_CASE("numbers at the ends of their ranges") {
  const auto error = [](std::vector<const char*> words) { return fails(words).error; };
  CHECK(error({"pl", "--sample", "9223372036854775807"}) ==
        "tapesort: --sample: need a whole number from 1 to 100000000, got 9223372036854775807; see "
        "tapesort pl --help\n");
  CHECK(error({"sort", "--batch", "4611686018427387904"}).find("--batch: need a whole number") !=
        std::string::npos);
  CHECK(error({"knn", "--samples", "18446744073709551615"}).find("--samples: need a whole") !=
        std::string::npos);
  CHECK(error({"knn", "--epochs", "0"}).find("--epochs: need a whole number from 1 ") !=
        std::string::npos);
  CHECK(error({"knn", "--validation", "0"}).find("--validation: need a whole number from 1 ") !=
        std::string::npos);
  CHECK(error({"knn", "--momentum", "1"}).find("--momentum: need a number from 0 to 0.999999") !=
        std::string::npos);
  const TemporaryFolder folder;
  folder.write("scores", "1 2");
  const std::string scores = folder / "scores";
  const auto order = [&](const char* seed) {
    return run_program({"pl", scores.c_str(), "--sample", "1", "--seed", seed});
  };
  CHECK(order("18446744073709551615").status == 0);
  CHECK(order("0").status == 0);
}

TEST_CASE("a command line that is not understood is told in one line, with status 2") {
  const auto error = [](std::vector<const char*> words) {
    const Outcome outcome = fails(words);
    CHECK(outcome.status == 2);
    return outcome.error;
  };
  CHECK(error({"nope"}) == "tapesort: tapesort has no command nope; see tapesort --help\n");
  CHECK(error({"bench", "nope"}) ==
        "tapesort: tapesort bench has no command nope; see tapesort bench --help\n");
  CHECK(error({}) == "tapesort: A subcommand is required; see tapesort --help\n");
  CHECK(error({"knn", "--epoch", "3"}).find("--epoch") != std::string::npos);
  CHECK(error({"knn", "--lr"}).find("--lr") != std::string::npos);
  CHECK(error({"knn", "--lr", "1", "--lr", "2"}).find("--lr") != std::string::npos);
  CHECK(error({"sort", "--method", "no\npe"}).find("--method") != std::string::npos);
  CHECK(error({"pl"}) ==
        "tapesort: pl: one of --log-prob and --sample is required; see tapesort pl "
        "--help\n");
  CHECK(error({"table", "sort", "--out", "x", "--methods", "nope", "--commands"}).find("nope") !=
        std::string::npos);
  CHECK(error({"table", "sort", "--out", "x", "--n", "5,1", "--commands"}).find("--n: need a") !=
        std::string::npos);
  for (const char* name : {"", "a\nb", "a\tb"}) {
    for (const char* command : {"knn", "sort", "median", "estimators"}) {
      if (name[0] == 0 && command == std::string("estimators")) continue;  // there it means none
      CHECK(error({command, "--out", name}).find("--out") != std::string::npos);
    }
    CHECK(error({"knn", "--save", name}).find("--save") != std::string::npos);
    CHECK(error({"table", "sort", "--out", name}).find("--out") != std::string::npos);
    CHECK(error({"relax", "--input", name}).find("--input") != std::string::npos);
    CHECK(error({"relax", "--json", "--weights", name}).find("--weights") != std::string::npos);
  }
}

TEST_CASE("a file that cannot be read is named, with the reason") {
  const TemporaryFolder folder;
  for (const auto& words : {std::vector<const char*>{"relax", "--input", folder.path().c_str()},
                            {"pl", folder.path().c_str(), "--sample", "1"}}) {
    CHECK(fails(words).error == "tapesort: cannot read " + folder.path() + ": Is a directory\n");
  }
  const std::string missing = folder / "missing";
  CHECK(fails({"relax", "--input", missing.c_str()}).error ==
        "tapesort: cannot read " + missing + ": No such file or directory\n");
}

TEST_CASE("a file may follow an option that can be repeated, and begin with a byte order mark") {
  const TemporaryFolder folder;
  folder.write("scores", "\xEF\xBB\xBF 0.1 0.9 0.4\n");
  const std::string file = folder / "scores";
  const Outcome outcome = run_program({"pl", "--log-prob", "--order", "2,1,0", file.c_str()});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.rfind("log_prob -1.5917947348", 0) == 0);
}

TEST_CASE("a folder whose name is no UTF-8 is trained on, and the run is resumed") {
  const TemporaryFolder folder;
  const std::string data = folder / "im\xE9", out = folder / "out";  // in Latin-1
  folder.write("im\xE9/a file", "");
  Array<std::uint8_t> images = uninitialized<std::uint8_t>({100, 4, 4});
  Indices labels = uninitialized<Index>({100});
  for (std::size_t i = 0; i < images.size(); ++i) images.data()[i] = std::uint8_t(i * 7);
  for (std::size_t i = 0; i < 100; ++i) labels.data()[i] = Index(i % 2);
  for (const char* part : {"/train-", "/test-"}) {
    save_npy(data + part + "images.npy", images);
    save_npy(data + part + "labels.npy", labels);
  }
  std::vector<const char*> words{"knn", "--data", data.c_str(), "--network", "mlp"};
  for (const char* word :
       {"--epochs", "1", "--k", "3", "--batch", "10", "--augment", "none", "--out", out.c_str()}) {
    words.push_back(word);
  }
  CHECK(run_program(words).status == 0);
  words.push_back("--resume");
  CHECK(run_program(words).status == 0);
}

TEST_CASE("output that does not arrive is an error, also of help, and of much output") {
  const TemporaryFolder folder;
  std::string scores;
  for (int i = 0; i < 60; ++i) scores += std::to_string(i * i % 37) + " ";
  folder.write("scores", scores);
  const std::string file = folder / "scores";
  for (const auto& words :
       std::vector<std::vector<const char*>>{{"relax", "--input", file.c_str()},
                                             {"relax", "--input", file.c_str(), "--json"},
                                             {"pl", file.c_str(), "--sample", "3"},
                                             {"pl", file.c_str(), "--sample", "100", "--json"},
                                             {"info"},
                                             {"--help"},
                                             {"--version"},
                                             {"knn", "--help"}}) {
    CAPTURE(words[0]);
    CHECK(run_program(words).status == 0);
    const Outcome full = run_program(words, "/dev/full");
    CHECK(full.status == 1);
    CHECK(full.error == "tapesort: standard output: No space left on device\n");
  }
  // An error of the command's own comes first.
  const Outcome both = run_program({"relax", "--input", folder.path().c_str()}, "/dev/full");
  CHECK(both.error == "tapesort: cannot read " + folder.path() + ": Is a directory\n");
}

TEST_CASE("too little memory is told in one line, and a command's own status is handed on") {
  CLI::App program;
  const auto add = [&](const char* name, std::function<void()> run) {
    program.add_subcommand(name)->callback(std::move(run));
  };
  add("block", [] { throw std::bad_alloc(); });
  add("list", [] { std::vector<int>().reserve(std::size_t(-1)); });
  add("interrupted", [] { throw CLI::RuntimeError(130); });
  add("lines", [] { throw std::runtime_error("two\nlines"); });
  for (const char* command : {"block", "list"}) {
    const Outcome outcome = run_program(program, {command});
    CHECK(outcome.status == 1);
    CHECK(outcome.error ==
          "tapesort: out of memory; ask for less at once, for example a smaller batch\n");
  }
  const Outcome interrupted = run_program(program, {"interrupted"});
  CHECK(interrupted.status == 130);
  CHECK(interrupted.error == "");
  CHECK(run_program(program, {"lines"}).error == "tapesort: two lines\n");
}

TEST_CASE("./run knows every command of the program") {
  std::ifstream file(TAPESORT_SOURCE "/run");
  std::string script{std::istreambuf_iterator<char>(file), {}};
  const std::size_t begin = script.find("\n  test |"), end = script.find(") ;;", begin);
  REQUIRE(end != std::string::npos);
  const std::string known = script.substr(begin, end - begin) + " ";
  CLI::App program;
  declare(program);
  for (const CLI::App* command : program.get_subcommands({})) {
    CHECK_MESSAGE(known.find(" " + command->get_name() + " ") != std::string::npos,
                  command->get_name());
  }
}
