// A program outside of tapesort's own tree: a small network, trained to give scores that sort, and
// an operator of one's own, checked by differences. README.md beside it says how to build it.
#include <cstdio>
#include <tapesort.hpp>

using namespace tapesort;

namespace {

// y = x / (1 + |x|), element by element: ybar / (1 + |x|)^2 goes to x.
template <class T> Var<T> softsign(const Var<T>& x) {
  using std::abs;  // and not std::abs(v): T may be a Dual, whose abs is tapesort's
  const auto f = [](T v) { return v / (T(1) + abs(v)); };
  Array<T> value = x.value();
  std::transform(value.begin(), value.end(), value.begin(), f);
  return record("softsign", {x}, std::move(value), [](Node<T>& y) {
    Array<T> slope = y.input(0).value();
    for (T& v : slope) v = T(1) / ((T(1) + abs(v)) * (T(1) + abs(v)));
    accumulate(y.input(0), y.cotangent() * slope);
  });
}

// Scores of items from their two features.
struct Scorer {
  explicit Scorer(Generator& random)
      : hidden("hidden", 2, 8, Init::fan_in, random), out("out", 8, 1, Init::fan_in, random) {}

  Var<float> forward(Tape<float>& tape, const Var<float>& items) {
    const Var<float> h = softsign(hidden.forward({tape}, items));
    return reshape(out.forward({tape}, h), {16, 5});
  }
  std::vector<Parameter<float>*> parameters() {
    State<float> state = hidden.state();
    out.collect(state);
    return state.parameters;
  }

  Linear<float> hidden, out;
};

}  // namespace

int main() {
  Generator random(1);
  const GradcheckReport report =
      gradcheck([](Var<double> x) { return softsign(x); }, {random.normal<double>({3, 4})});
  std::printf("%s", report.text().c_str());

  // 16 sets of 5 items; the scores should sort them by the product of their features.
  const Array<float> items = random.uniform<float>({16 * 5, 2});
  Array<float> truth = uninitialized<float>({16, 5});
  for (std::size_t i = 0; i < truth.size(); ++i) truth.data()[i] = items(i, 0) * items(i, 1);

  Scorer scorer(random);
  Adam<float> adam(scorer.parameters(), /*learning_rate=*/0.01);
  float loss = 0;
  for (int step = 0; step <= 300; ++step) {
    Tape<float> tape;
    const Var<float> scores = scorer.forward(tape, tape.constant(items));
    const Var<float> error = mean(neural_sort_cross_entropy(scores, truth, 1.0));
    tape.backward(error);
    loss = error.item();
    if (step % 100 == 0) std::printf("step %d  loss %.6f\n", step, double(loss));
    adam.step();
    adam.zero_grad();
  }
  return report.ok() && loss < 0.8f ? 0 : 1;
}
