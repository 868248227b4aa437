// tapesort knn: its losses, and the command end to end.
#include <nlohmann/json.hpp>

#include "apps/data/data_set.hpp"
#include "apps/experiments/knn_tasks.hpp"
#include "apps/program/program.hpp"
#include "engine/parameter.hpp"
#include "models/by_name.hpp"
#include "models/checkpoint.hpp"
#include "models/optimizers.hpp"
#include "op_table.hpp"
#include "ops/elementwise.hpp"
#include "ops/reduce.hpp"
#include "run_command.hpp"
#include "temporary_folder.hpp"

using namespace tapesort;
using namespace tapesort::testing;
using nlohmann::json;

namespace {

// Two queries and six candidates. Among the nearest three are two of the first query's class, and one
// of the second's.
const Array<float> scores{{-1, -2, -3, -4, -5, -6}, {-6, -5, -4, -3, -2, -1}};
const Indices query_classes{0, 1}, candidate_classes{0, 1, 0, 0, 1, 0};

}  // namespace

TEST_CASE("same_class compares each query with each candidate") {
  CHECK(same_class(query_classes, candidate_classes) ==
        Array<float>{{1, 0, 1, 1, 0, 1}, {0, 1, 0, 0, 1, 0}});
}

TEST_CASE("each kNN loss is minus the number of right neighbours where there is no doubt") {
  const Array<float> same = same_class(query_classes, candidate_classes);
  for (const NeighbourMethod& method : neighbour_methods()) {
    CAPTURE(method.name);
    Generator random(1);
    const Array<float> far_apart = 100 * scores;  // farther than Gumbel noise reaches
    const Var<float> loss = method.loss(constant(far_apart), same, {3, 1, 4, &random});
    CHECK(loss.value()(0) == doctest::Approx(-2));
    CHECK(loss.value()(1) == doctest::Approx(-1));
  }
}

TEST_CASE("each kNN loss draws candidates of the query's class nearer, and pushes others away") {
  const Array<float> same = same_class(query_classes, candidate_classes);
  for (const NeighbourMethod& method : neighbour_methods()) {
    CAPTURE(method.name);
    Generator random(1);
    Parameter<float> p("scores", scores);
    Tape<float> tape;
    tape.backward(sum(method.loss(tape.leaf(p), same, {3, 2, 500, &random})));
    for (std::size_t query = 0; query < 2; ++query) {
      double of_same = 0, of_other = 0;
      for (std::size_t j = 0; j < 6; ++j) {
        (same(query, j) == 1 ? of_same : of_other) += double(p.grad(query, j));
      }
      CHECK(of_same < -0.05);
      CHECK(of_other > 0.05);
    }
  }
}

TEST_CASE("reinforce wants a second sample for its baseline") {
  const NeighbourMethod& reinforce =
      by_name(neighbour_methods(), "reinforce", "knn_test", "method");
  Generator random(1);
  CHECK(error_of([&] {
          reinforce.loss(constant(scores), zeros<float>({2, 6}), {3, 1, 1, &random});
        }).find("need --samples >= 2, got 1") != std::string::npos);
}

TEST_CASE("without_diagonal leaves out each point's score with itself") {
  const Array<float> x = with_shape(Array<float>{0, 1, 2, 3, 4, 5, 6, 7, 8}, {3, 3});
  CHECK(without_diagonal(constant(x)).value() ==
        with_shape(Array<float>{1, 2, 3, 5, 6, 7}, {3, 2}));
  Parameter<float> p("p", x);
  Tape<float> tape;
  tape.backward(sum(without_diagonal(tape.leaf(p)) * constant(full<float>({3, 2}, 2.0f))));
  CHECK(p.grad == with_shape(Array<float>{0, 2, 2, 2, 0, 2, 2, 2, 0}, {3, 3}));
  CHECK(error_of([&] {
          without_diagonal(constant(zeros<float>({2, 3})));
        }) == "invalid_argument: without_diagonal: x is (2, 3); need (m, m), m >= 2");
}

TEST_CASE("tapesort knn trains, and leaves its result and a model that can be loaded") {
  const TemporaryFolder folder;
  const auto row_of = [&](const std::string& name, const std::string& options) {
    run(add_knn, "knn --network mlp " + options + " --out " + (folder / name));
    return json::parse(folder.read(name + "/result.json"));
  };
  const std::string rate = "--epochs 4 --lr 0.003 --augment none ";
  const json all = row_of("all", rate + "--save " + (folder / "all.model")),
             half = row_of("half", rate + "--queries half");
  // A network that has learned nothing keeps distances quite well.
  const json untrained = row_of("untrained", "--epochs 1 --epoch-steps 1 --lr 0");
  const json mirror = row_of("mirror", "--epochs 1 --epoch-steps 1 --lr 0 --mirror");
  CHECK(all["steps"] == 140);
  CHECK(all["settings"]["tau"] == 16);
  CHECK(half["settings"]["queries"] == "half");
  CHECK(all["pixel_accuracy"].get<double>() == doctest::Approx(0.922).epsilon(0.005));
  const double floor = untrained["test_accuracy"];
  CHECK(floor > 0.8);
  CHECK(all["test_accuracy"].get<double>() > floor + 0.03);
  CHECK(half["test_accuracy"].get<double>() > floor + 0.02);
  CHECK(all["test_accuracy"] != half["test_accuracy"]);
  CHECK(mirror["test_accuracy"] != untrained["test_accuracy"]);
  CHECK(load_checkpoint<float>(folder / "all.model").arrays.count("fc1.weight") == 1);
  CHECK(load_checkpoint<float>(folder / "all/checkpoint.safetensors").metadata.count("progress") ==
        1);

  // Methods without neighbours to show, and without training, which use no step's candidates.
  for (const std::string method : {"pixels", "pca", "classifier"}) {
    CAPTURE(method);
    const json row = row_of(method, "--epochs 3 --k 250 --method " + method);
    CHECK(row["test_accuracy"].get<double>() > 0.5);
    CHECK(row.contains("validation") == (method == "classifier"));
  }
}

TEST_CASE("every kNN method that trains brings its loss down") {
  const DataSet data = load_data("digits");
  const Split pools{data.train, data.test};
  for (const KnnMethod& method : knn_methods()) {
    if (!method.make) continue;
    CAPTURE(method.name);
    KnnOptions knn;
    knn.network = "mlp";
    knn.augment = "none";
    knn.queries = "half";
    knn.batch = 50;
    knn.samples = 3;
    knn.classes = 10;
    knn.epoch_steps = 15;
    knn.seed = 0;
    Generator random(1);
    const auto task = method.make(knn, pools, random);
    Adam<float> optimizer(task->state().parameters, 1e-3);
    TrainerOptions options;
    options.epochs = 3;
    const TrainingResult result = train(*task, optimizer, options);
    CHECK(result.epochs.back().loss < result.epochs.front().loss - 0.01);
  }
}

TEST_CASE("what is not trained needs no batch") {
  const TemporaryFolder folder;
  run(add_knn, "knn --method pixels --batch 4000 --out " + (folder / "out"));
  CHECK(json::parse(folder.read("out/result.json"))["test_accuracy"].get<double>() > 0.9);
}

TEST_CASE("tapesort knn refuses what it cannot do") {
  const auto refused = [](const std::string& command) {
    return error_of([&] { run(add_knn, command); });
  };
  const TemporaryFolder folder;
  for (const std::string method : {"pixels", "pca"}) {
    CHECK(refused("knn --method " + method + " --save " + (folder / "model")) ==
          "invalid_argument: knn: " + method + " trains nothing that --save could write");
  }
  CHECK(refused("knn --data /no/such/folder").find("/no/such/folder") != std::string::npos);
  CHECK(refused("knn --k 200") ==
        "invalid_argument: knn: need 1 <= --k <= 199, the candidates of a step, got 200");
  CHECK(refused("knn --batch 4000").find("leaves less than one --batch of 4000") !=
        std::string::npos);
  CHECK(refused("knn --k 101 --queries half") ==
        "invalid_argument: knn: need 1 <= --k <= 100, the candidates of a step, got 101");
}
