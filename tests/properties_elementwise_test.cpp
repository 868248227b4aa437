// Elementwise operators act on each element alone: what happens at one place does not depend on the
// place, on the array's length, or on the number of threads, bit for bit. Lengths go round the
// width of a vector register, so that every lane and every place of a tail has its turn.
#include "elementwise_rows.hpp"
#include "engine/threads.hpp"
#include "properties.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

// Value and gradients at one place of arrays that are `filler` elsewhere.
template <class T>
std::vector<T> at_place(const ElementwiseRow& row, const std::vector<double>& x, T u,
                        std::size_t place, std::size_t length, T filler) {
  std::vector<Array<T>> inputs;
  for (const double number : x) {
    inputs.push_back(full<T>({length}, filler));
    inputs.back().data()[place] = T(number);
  }
  const Evaluated<T> y = evaluate<T>(row.f<T>(), inputs, [&](const Shape& shape) {
    Array<T> cotangent = full<T>(shape, T(1));
    cotangent.data()[place] = u;
    return cotangent;
  });
  std::vector<T> numbers{y.value.data()[place]};
  for (const Array<T>& gradient : y.gradients) numbers.push_back(gradient.data()[place]);
  return numbers;
}

template <class T> void check_places() {
  for (const ElementwiseRow& row : elementwise_rows()) {
    check_property(row.name + ", " + type_name<T>(), [&] {
      const auto x = *numbers(any_number<T>(), row.inputs, row.inputs);
      const T u = T(*grid_number());
      const auto place = *rc::gen::inRange<std::size_t>(0, 70);
      const auto length = place + *rc::gen::inRange<std::size_t>(1, 40);
      const std::vector<T> alone = at_place<T>(row, x, u, 0, 1, T(1));
      const std::vector<T> among = at_place<T>(row, x, u, place, length, T(1));
      for (std::size_t i = 0; i < alone.size(); ++i) {
        if (same_number(alone[i], among[i])) continue;
        fail_case(i == 0 ? "value" : "gradient", " alone is ", alone[i], ", at place ", place,
                  " of ", length, " it is ", among[i]);
      }
    });
  }
}

template <class T> void check_threads() {
  Generator random(2019);
  for (const ElementwiseRow& row : elementwise_rows()) {
    CAPTURE(row.name);
    std::vector<Array<T>>
        inputs;  // long enough for three threads; their shares end within registers
    for (std::size_t i = 0; i < row.inputs; ++i) {
      inputs.push_back(random.normal<T>({3 * 32768 + 1117}) * T(30));
    }
    const int before = threads();
    std::vector<Evaluated<T>> results;
    for (const int count : {1, 2, 3}) {
      set_threads(count);
      results.push_back(evaluate<T>(row.f<T>(), inputs, some_cotangent<T>));
    }
    set_threads(before);
    for (const Evaluated<T>& result : results) {
      CHECK(same_numbers(result.value, results[0].value));
      for (std::size_t i = 0; i < row.inputs; ++i) {
        CHECK(same_numbers(result.gradients[i], results[0].gradients[i]));
      }
    }
  }
}

}  // namespace

TEST_CASE("property: an elementwise result does not depend on its place or the array's length") {
  check_places<float>();
  check_places<double>();
}

TEST_CASE("property: an elementwise result does not depend on the number of threads") {
  check_threads<float>();
  check_threads<double>();
}
