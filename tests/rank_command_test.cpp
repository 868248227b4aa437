// tapesort rank, and the files that it reads.
#include <zlib.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/data/ranking_set.hpp"
#include "apps/report/printed.hpp"
#include "engine/check.hpp"
#include "models/checkpoint.hpp"
#include "models/npy.hpp"
#include "op_table.hpp"
#include "run_command.hpp"

using namespace tapesort;
using namespace tapesort::testing;
using nlohmann::json;

namespace {

// Queries of 5 to 9 documents. Relevance is 2 where the first feature is among the largest and the
// second is there, 1 where only one holds; three more features are noise.
std::string generated(std::size_t queries, std::uint64_t seed) {
  Generator random(seed);
  std::string text = "# label qid:query feature:value ..\n";
  for (std::size_t q = 0; q < queries; ++q) {
    const std::size_t documents = 5 + random.below(5);
    for (std::size_t d = 0; d < documents; ++d) {
      const double x = random.uniform();
      const bool there = random.below(2);
      text += to_message(int(x > 0.6) + int(there), " qid:", q, " 1:", x);
      if (there) text += " 2:0.5";
      for (int f = 3; f <= 5; ++f) text += to_message(" ", f, ":", random.uniform());
      text += d % 2 ? "  # a document\n" : "\n";
    }
  }
  return text;
}

void write_gzip(const std::string& file, const std::string& text) {
  gzFile out = gzopen(file.c_str(), "wb");
  REQUIRE(out != nullptr);
  REQUIRE(gzwrite(out, text.data(), unsigned(text.size())) == int(text.size()));
  REQUIRE(gzclose(out) == Z_OK);
}

std::string rank(const TemporaryFolder& folder, const std::string& more) {
  return "rank --epochs 60 --lr 0.03 --weight-decay 0 --data " + (folder / "data") + more;
}

}  // namespace

TEST_CASE("SVMlight lines with queries, plain and gzip") {
  const TemporaryFolder folder;
  const std::string text =
      "2 qid:10 1:+0.5 3:-1e-3\t4:2 # comment 9:9\n\n# a line of its own\n0 qid:10\r\n+1.5 qid:9 "
      "2:7";
  folder.write("data/train.svm", text);
  write_gzip(folder / "data/test.txt.gz", text);
  for (const char* name : {"train", "test"}) {
    const RankingSet set = load_ranking_set(ranking_file(folder / "data", name));
    CHECK(set.features == Array<float>{{0.5f, 0, -1e-3f, 2}, {0, 0, 0, 0}, {0, 7, 0, 0}});
    CHECK(set.labels == Array<float>{2, 0, 1.5f});
    CHECK(set.begins == std::vector<std::size_t>{0, 2, 3});
    CHECK(set.longest() == 2);
    const RankingSet turned = select_queries(set, {1, 0});
    CHECK(turned.labels == Array<float>{1.5f, 2, 0});
    CHECK(turned.begins == std::vector<std::size_t>{0, 1, 3});
    CHECK(turned.features(0, 1) == 7);
    std::set<float> first;  // documents of query 10, by their labels
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      Generator random(seed);
      const RankingSet shuffled = select_queries(set, {1, 0}, &random);
      CHECK(shuffled.begins == turned.begins);
      CHECK(shuffled.labels(0) == 1.5f);
      CHECK(shuffled.labels(1) + shuffled.labels(2) == 2);
      CHECK(shuffled.features(1, 3) == shuffled.labels(1));  // both are 2, or 0
      first.insert(shuffled.labels(1));
    }
    CHECK(first == std::set<float>{0, 2});
  }
  // As many features as another set has.
  CHECK(load_ranking_set(folder / "data/train.svm", 2).features ==
        Array<float>{{0.5f, 0}, {0, 0}, {0, 7}});
  CHECK(load_ranking_set(folder / "data/train.svm", 6).features.shape() == Shape{3, 6});
}

TEST_CASE("a faulty line is told with file and line, and what was expected") {
  const TemporaryFolder folder;
  const std::string file = folder / "f.svm";
  const auto error = [&](const std::string& text) {
    folder.write("f.svm", text);
    const std::string message = error_of([&] { load_ranking_set(file); });
    const std::string begin = "exception: " + file;
    REQUIRE(message.rfind(begin, 0) == 0);
    return message.substr(begin.size());
  };
  CHECK(error("1 qid:1 1:2\n-1 qid:1 1:2\n") ==
        ":2: the label is '-1'; expected a number from 0 to 1000");
  CHECK(error("nan qid:1") == ":1: the label is 'nan'; expected a number from 0 to 1000");
  CHECK(error("x qid:1") == ":1: the label is 'x'; expected a number from 0 to 1000");
  CHECK(error("1\n") ==
        ":1: found nothing behind the label; expected the document's query, as in qid:7");
  CHECK(error("\n1 1:0.5\n") ==
        ":2: found '1:0.5' behind the label; expected the document's query, as in qid:7");
  CHECK(error("1 qid: 1:0.5\n") ==
        ":1: found 'qid:' behind the label; expected the document's query, as in qid:7");
  CHECK(error("1 qid:1\n1 qid:2\n1 qid:1\n") ==
        ":3: qid:1 is here again, after qid:2; expected all documents of a query one after the "
        "other");
  for (const char* pair :
       {"7", "1:", ":1", "1:x", "1:1:1", "-1:2", "1.5:1", "1:inf", "1:nan", "1:1e60"}) {
    CHECK(error(std::string("1 qid:1 ") + pair) ==
          ":1: found '" + std::string(pair) + "'; expected a feature and its value, as in 12:0.5");
  }
  CHECK(error("1 qid:1 2:1 2:3") ==
        ":1: feature 2 after 2; expected rising numbers from 1 to 1000000");
  CHECK(error("1 qid:1 0:1") == ":1: feature 0 after 0; expected rising numbers from 1 to 1000000");
  CHECK(error(std::string(100, 'x') + " qid:1") ==
        ":1: the label is '" + std::string(40, 'x') + "..'; expected a number from 0 to 1000");
  CHECK(error("1 qid:1 +-1:2") ==
        ":1: found '+-1:2'; expected a feature and its value, as in 12:0.5");
  std::string many;
  for (int i = 0; i < 2148; ++i) many += "1 qid:1\n";
  CHECK(error("1 qid:1 1000000:1\n" + many) ==
        ":1: feature 1000000 of 2149 documents: expected at most 2147483648 numbers in all");
  CHECK(error("# nothing\n") == ": has no documents");
  CHECK(error("1 qid:1\n") == ": no document has a feature");
  write_gzip(file, "1 qid:1 1:1\n");
  const std::string whole = folder.read("f.svm");
  CHECK(error(whole.substr(0, whole.size() - 9)).find("the gzip data ends early") !=
        std::string::npos);
  CHECK(error_of([&] { ranking_file(folder.path(), "train"); }) ==
        "exception: " + folder.path() +
            ": has no train.svm or train.txt, plain or .gz, of lines such as 2 qid:7 1:0.5 3:1");
}

TEST_CASE("tapesort rank learns by every loss, and the same seed gives the same result") {
  const TemporaryFolder folder;
  folder.write("data/train.svm", generated(60, 1));
  write_gzip((folder / "data/test.svm.gz"), generated(30, 2));
  for (const char* loss : {"list_mle", "list_net", "pairwise_logistic", "ndcg_loss2", "lambda_rank",
                           "neural_ndcg", "pi_rank", "spearman"}) {
    INFO(loss);
    run(add_rank, rank(folder, std::string(" --loss ") + loss + " --out " + (folder / loss)));
    const json row = json::parse(folder.read(std::string(loss) + "/result.json"));
    CHECK(row["task"] == "rank");
    CHECK(row["settings"]["loss"] == loss);
    CHECK(row["settings"]["validation"] == 7);
    CHECK(row["steps"] == 180);                // 53 queries, 20 a step
    CHECK(row["ndcg_5"].get<double>() > 0.9);  // by random scores .6 to .7
    CHECK(row["ndcg_10"].get<double>() > 0.9);
    CHECK(row["mrr"].get<double>() > 0.9);
    CHECK(row["validation"].get<double>() > 0.9);
  }
  run(add_rank, rank(folder, " --loss list_mle --out " + (folder / "again")));
  const auto figure = [&](const std::string& name) {
    return json::parse(folder.read(name + "/result.json"))["ndcg_3"];
  };
  CHECK(figure("again") == figure("list_mle"));
  CHECK(folder.read("again/history.csv").rfind("epoch,step,loss,validation", 0) == 0);
}

TEST_CASE("tapesort rank: networks, features, saving, resuming") {
  const TemporaryFolder folder;
  folder.write("data/train.txt", generated(60, 1));
  folder.write("data/test.txt", generated(30, 2) + "1 qid:new 9:1\n");  // unknown in training
  run(add_rank, rank(folder, " --network mlp --hidden 8 --dropout 0.1 --schedule constant --save " +
                                 (folder / "model") + " --out " + (folder / "mlp")));
  const json mlp = json::parse(folder.read("mlp/result.json"));
  CHECK(mlp["ndcg_5"].get<double>() > 0.85);
  const auto arrays = load_checkpoint<float>(folder / "model").arrays;
  CHECK(arrays.at("fc1.weight").shape() == Shape{10, 8});  // two columns for each feature
  CHECK(arrays.at("columns.mean").shape() == Shape{2, 5});
  // The second feature is there or not, always with one value.
  CHECK(arrays.at("columns.mean")(0, 1) == doctest::Approx(0.5));
  CHECK(arrays.at("columns.scale")(0, 1) == 0);
  CHECK(arrays.at("columns.mean")(1, 0) == doctest::Approx(1));
  CHECK(arrays.at("columns.scale")(1, 0) == 0);
  // The saved model gives other documents their scores.
  const auto score = [&](const std::string& model, const std::string& data) {
    const Outcome outcome =
        run_program({"score", "--model", (folder / model).c_str(), "--data",
                     (folder / data).c_str(), "--out", (folder / "scores.npy").c_str()});
    return outcome.out + outcome.error;
  };
  const std::string said = score("model", "data/test.txt");
  CHECK(said.find(printed("NDCG@5 %.4f", mlp["ndcg_5"].get<double>())) != std::string::npos);
  const Array<float> scores = load_npy<float>(folder / "scores.npy");
  CHECK(scores.shape() == Shape{load_ranking_set(folder / "data/test.txt").documents()});
  run(add_rank, rank(folder, " --features values --save " + (folder / "linear")));
  folder.write("one.txt", "0 qid:1 1:0.5\n0 qid:1 1:0.25\n0 qid:1 9:1\n");
  score("linear", "one.txt");
  const auto linear = load_checkpoint<float>(folder / "linear").arrays;
  const auto entry = [&](const char* name, std::size_t i) { return linear.at(name).data()[i]; };
  double intercept = entry("scores.bias", 0);
  for (std::size_t f = 0; f < 5; ++f) {
    intercept -=
        double(entry("columns.mean", f)) * entry("columns.scale", f) * entry("scores.weight", f);
  }
  const double slope = double(entry("columns.scale", 0)) * entry("scores.weight", 0);
  const Array<double> expected{intercept + slope / 2, intercept + slope / 4, intercept};
  CHECK(distance(convert<double>(load_npy<float>(folder / "scores.npy")), expected) < 1e-5);
  folder.write("no.model", "no model");
  CHECK(score("no.model", "one.txt").find("no.model") != std::string::npos);
  save_model<float>(folder / "other.model", {});
  CHECK(score("other.model", "one.txt")
            .find("has no columns of features; need a file that rank saved") != std::string::npos);
  CHECK(load_checkpoint<float>(folder / "linear").arrays.at("scores.weight").shape() ==
        Shape{5, 1});
  // Weight decay is the loss's own unless it is given.
  run(add_rank, "rank --epochs 1 --loss spearman --data " + (folder / "data") + " --out " +
                    (folder / "decay"));
  CHECK(json::parse(folder.read("decay/result.json"))["settings"]["weight_decay"] == 0.03);
  // Documents of unknown features have equal scores: NDCG 1, and the mean of both orders. The error of the
  // mean of two numbers is half their difference; of one number there is none.
  folder.write("two/train.txt", generated(9, 1));
  folder.write("two/test.txt", "1 qid:1 9:1\n1 qid:2 9:0.1\n0 qid:2 9:0.9\n");
  const auto two = [&](const std::string& out) {
    run(add_rank, "rank --epochs 1 --data " + (folder / "two") + " --out " + (folder / out));
    return json::parse(folder.read(out + "/result.json"));
  };
  const json row = two("first");
  const double both = (1 + 1 / std::log2(3.0)) / 2;
  CHECK(row["ndcg_5"].get<double>() == doctest::Approx((1 + both) / 2));
  CHECK(row["ndcg_5_standard_error"].get<double>() == doctest::Approx((1 - both) / 2));
  CHECK(row["mrr"].get<double>() == doctest::Approx((1 + 0.75) / 2));
  folder.write("two/test.txt", "1 qid:1 3:1\n");
  CHECK(two("second")["ndcg_5_standard_error"].is_null());
  CHECK(mlp["settings"]["weight_decay"] == 0);
  // The best state is kept where none is averaged.
  run(add_rank, rank(folder, " --average 0 --out " + (folder / "best")));
  const json best = json::parse(folder.read("best/result.json"));
  CHECK(best["best_epoch"].get<int>() >= 1);
  CHECK(error_of([&] {
          run(add_rank, rank(folder, " --resume --average 0 --seed 2 --out " + (folder / "best")));
        }).find("was made with seed = 1, this run has 2") != std::string::npos);
}

TEST_CASE("what tapesort rank refuses") {
  const TemporaryFolder folder;
  CHECK(run_program({"rank"}).error.find("--data is required") != std::string::npos);
  const std::string data = folder / "data";
  CHECK(error_of([&] { run(add_rank, rank(folder, "")); }) ==
        "exception: " + data +
            ": has no train.svm or train.txt, plain or .gz, of lines such as 2 qid:7 1:0.5 3:1");
  folder.write("data/train.svm", generated(4, 1));
  CHECK(error_of([&] { run(add_rank, rank(folder, "")); }).find("has no test.svm") !=
        std::string::npos);
  folder.write("data/test.svm", generated(2, 1));
  CHECK(error_of([&] { run(add_rank, rank(folder, " --validation 4")); }) ==
        "invalid_argument: rank: --validation 4 leaves none of the 4 queries to train on");
  CHECK(error_of([&] {
          run(add_rank, rank(folder, " --loss nope"));
        }).find("nope not in {list_net,") != std::string::npos);
  CHECK(error_of([&] { run(add_rank, rank(folder, " --augment shift")); }).find("--augment") !=
        std::string::npos);
  folder.write("data/test.svm", "1 qid:1 1:0.5\n3 1:0.5\n");
  CHECK(error_of([&] { run(add_rank, rank(folder, "")); }).find("test.svm:2: found '1:0.5'") !=
        std::string::npos);
}
