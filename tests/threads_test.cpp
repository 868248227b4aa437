#include "engine/threads.hpp"

#include <doctest/doctest.h>

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

}  // namespace

TEST_CASE("every operator shares its loops out to the threads, and gives the same digits") {
  const int before = threads();
  for (const OperatorRow& row : operator_rows()) {
    INFO(row.name);
    const Run one = run(row, 1), two = run(row, 2);
    CHECK(one.forward + one.backward == 0);
    CHECK(two.forward > 0);
    if (row.pullback == OperatorRow::shared) CHECK(two.backward > 0);
    if (row.digits == OperatorRow::the_same) {
      CHECK(two.value == one.value);
      CHECK(two.gradient == one.gradient);
    }
  }
  set_threads(before);
}
