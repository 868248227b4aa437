#include "engine/threads.hpp"

#include <doctest/doctest.h>

#include <set>

#include "apps/bench/operators.hpp"
#include "ops/reduce.hpp"

using namespace tapesort;

namespace {

// What a run gives, and how many loops it shared out.
struct Run {
  Array<float> value, gradient;
  std::size_t forward, backward;
};

Run run(const OperatorRow& row, int threads_used) {
  set_threads(threads_used);
  Tape<float> tape;
  std::vector<Var<float>> x;
  for (const Array<float>& operand : row.operands()) x.push_back(tape.leaf(operand));
  const std::size_t before = loops_shared();
  const Var<float> y = row.f(x);
  const std::size_t between = loops_shared();
  tape.backward(y.dimension() == 0 ? y : sum(y));
  return {y.value(), x[0].grad(), between - before, loops_shared() - between};
}

// Sums, broadcasts and gradients that are scattered: on one thread they already run at the memory's speed,
// or have an order to keep.
const std::set<std::string> pullback_alone{"add a row",         "max along axis 0",
                                           "max along axis 1",  "take along axis 0",
                                           "take along axis 1", "list_mle_loss"};
// On two threads their sums are made in another order.
const std::set<std::string> other_digits{"matmul", "NeuralSort of one set"};

}  // namespace

TEST_CASE("every operator shares its loops out to the threads, and gives the same digits") {
  const int before = threads();
  for (const OperatorRow& row : operator_rows()) {
    INFO(row.name);
    const Run one = run(row, 1), two = run(row, 2);
    CHECK(one.forward + one.backward == 0);
    CHECK(two.forward > 0);
    if (!pullback_alone.count(row.name)) CHECK(two.backward > 0);
    if (!other_digits.count(row.name)) {
      CHECK(two.value == one.value);
      CHECK(two.gradient == one.gradient);
    }
  }
  set_threads(before);
}
