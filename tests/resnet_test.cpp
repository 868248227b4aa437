#include "models/resnet.hpp"

#include "engine/parameter.hpp"
#include "gradcheck/layer.hpp"
#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

TEST_CASE("a residual block's gradient, with a shortcut and without") {
  for (const bool wider : {false, true}) {
    CAPTURE(wider);
    Generator random(4);
    ResidualBlock<double> block("block", 2, wider ? 3 : 2, wider ? 2 : 1, random);
    const GradcheckReport report = gradcheck(block, {random.normal<double>({3, 4, 4, 2})});
    CHECK_MESSAGE(report.ok(), report.text());

    const State<double> state = block.state();
    CHECK(state.parameters.size() == (wider ? 7 : 6));
    CHECK(state.buffers.size() == 4);
    Tape<double> tape;
    const Var<double> y =
        block.forward({tape, true}, tape.constant(random.normal<double>({3, 4, 4, 2})));
    CHECK(y.shape() == (wider ? Shape{3, 2, 2, 3} : Shape{3, 4, 4, 2}));
    tape.backward(y, random.normal<double>(y.shape()));
    for (const Parameter<double>* p : state.parameters) {
      CHECK_MESSAGE(p->grad != zeros<double>(p->grad.shape()), p->name << " got no gradient");
    }
  }
}

TEST_CASE("small_resnet has 14 layers and the shapes that its header says") {
  Generator random(1);
  const auto net = make_network("small_resnet", {28, 28, 1}, 10, random);
  Tape<float> off(Recording::off);
  CHECK(net->forward({off}, off.constant(zeros<float>({2, 28, 28, 1}))).shape() == Shape{2, 10});
  std::size_t with_weights = 0, kernels = 0;
  for (const Parameter<float>* p : net->state().parameters) {
    const bool shortcut = p->name.find("shortcut") != std::string::npos;
    with_weights += p->name.find("weight") != std::string::npos && !shortcut;
    if (p->value.dimension() == 4) kernels += p->value.size();
  }
  CHECK(with_weights == 14);
  CHECK(kernels == 9 * (16 + 4 * 256 + 512 + 3 * 1024 + 2048 + 3 * 4096) + 512 + 2048);
}
