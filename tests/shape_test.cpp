#include "ops/shape.hpp"

#include "op_table.hpp"

using namespace tapesort;
using namespace tapesort::testing;

namespace {

template <class T> using Vars = std::vector<Var<T>>;

const Indices cycle{2, 0, 1};

}  // namespace

TEST_CASE("operators that move elements pass gradcheck, and float agrees with double") {
  check_rows({
      {"reshape",
       {{2, 6}},
       anywhere,
       [](const auto& x) {
         return reshape(x[0], {3, -1});
       }},
      {"reshape to a scalar", {{1, 1}}, anywhere, [](const auto& x) { return reshape(x[0], {}); }},
      {"transpose", {{2, 3}}, anywhere, [](const auto& x) { return transpose(x[0]); }},
      {"transpose, 3-cycle of axes",
       {{2, 3, 4}},
       anywhere,
       [](const auto& x) {
         return transpose(x[0], {1, 2, 0});
       }},
      {"slice", {{2, 5, 3}}, anywhere, [](const auto& x) { return slice(x[0], 1, 1, -1); }},
      {"slice, nothing",
       {{2, 5}},
       anywhere,
       [](const auto& x) {
         return concat(std::decay_t<decltype(x)>{slice(x[0], 1, 3, 3), x[0]}, 1);
       }},
      {"concat", {{2, 3}, {2, 1}, {2, 2}}, anywhere, [](const auto& x) { return concat(x, 1); }},
      {"concat of x with itself",
       {{2, 3}},
       anywhere,
       [](const auto& x) {
         return concat(std::decay_t<decltype(x)>{x[0], x[0]});
       }},
      {"stack, front", {{2, 3}, {2, 3}}, anywhere, [](const auto& x) { return stack(x); }},
      {"stack, back", {{2, 3}, {2, 3}}, anywhere, [](const auto& x) { return stack(x, -1); }},
      {"take rows, one twice",
       {{3, 2}},
       anywhere,
       [](const auto& x) {
         return take(x[0], Indices{2, 0, 1, 2});
       }},
      {"take, 3-cycle of columns",
       {{2, 3}},
       anywhere,
       [](const auto& x) { return take(x[0], cycle, 1); }},
      {"take, a table of indices",
       {{2, 3, 2}},
       anywhere,
       [](const auto& x) {
         return take(x[0], Indices{{2, 0}, {1, 1}}, 1);
       }},
      {"take_along_axis, 3-cycles",
       {{2, 3}},
       anywhere,
       [](const auto& x) {
         return take_along_axis(x[0], Indices{{2, 0, 1}, {1, 2, 0}});
       }},
      {"take_along_axis, one twice, front axis",
       {{3, 2}},
       anywhere,
       [](const auto& x) {
         return take_along_axis(x[0], Indices{{1, 2}, {1, 0}}, 0);
       }},
      {"broadcast_to",
       {{3, 1}},
       anywhere,
       [](const auto& x) {
         return broadcast_to(x[0], Shape{2, 3, 4});
       }},
  });
}

TEST_CASE("elements arrive where they should") {
  const auto x = constant(Array<double>{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  CHECK(transpose(x).value() == Array<double>{{1.0, 4.0}, {2.0, 5.0}, {3.0, 6.0}});
  CHECK(take(x, cycle, 1).value() == Array<double>{{3.0, 1.0, 2.0}, {6.0, 4.0, 5.0}});
  CHECK(take_along_axis(x, Indices{{2, 0, 1}, {1, 2, 0}}).value() ==
        Array<double>{{3.0, 1.0, 2.0}, {5.0, 6.0, 4.0}});
  CHECK(slice(x, -1, -2, 3).value() == Array<double>{{2.0, 3.0}, {5.0, 6.0}});
  CHECK(stack(Vars<double>{x, x}, 1).shape() == Shape{2, 2, 3});
  CHECK(transpose(constant(zeros<double>({2, 3, 4})), {1, 2, 0}).shape() == Shape{3, 4, 2});
  CHECK(one_hot<double>(Indices{2, 0}, 3) == Array<double>{{0.0, 0.0, 1.0}, {1.0, 0.0, 0.0}});
  CHECK(one_hot<double>(zeros<Index>({2, 1}), 3).shape() == Shape{2, 1, 3});
}

TEST_CASE("an element that is taken a million times gets the sum of a million cotangents") {
  const std::size_t many = 1000000;
  Tape<float> tape;
  const Var<float> x = tape.leaf({1.0f, 2.0f});
  tape.backward(take(x, zeros<Index>({many})), full<float>({many}, 0.1f));
  CHECK(x.grad()(0) == doctest::Approx(1e5).epsilon(1e-6));
  CHECK(x.grad()(1) == 0);
  tape.zero_grad();
  tape.backward(take_along_axis(x, full<Index>({many}, 1), 0), full<float>({many}, 0.1f));
  CHECK(x.grad()(1) == doctest::Approx(1e5).epsilon(1e-6));
}

TEST_CASE("operators that move elements name what does not fit") {
  const auto x = constant(zeros<float>({2, 3}));
  CHECK(error_of([&] {
          reshape(x, {4, -1});
        }) == "invalid_argument: reshape: shape (2, 3) has 6 elements, which do not fill (4, -1)");
  CHECK(
      error_of([&] {
        reshape(constant(zeros<float>({4})), {6148914691236517206, 3, 2});  // 4 modulo 2^64
      }) ==
      "invalid_argument: reshape: shape (6148914691236517206, 3, 2) is too large; need fewer than "
      "2^60 elements, where extents of 0 count as 1");
  CHECK(error_of([&] {
          reshape(x, {Index(1) << 32, Index(1) << 32, -1});
        }).find("reshape: shape (4294967296, 4294967296, 1) is too large") != std::string::npos);
  CHECK(reshape(x, {1, -1, 3}).shape() == Shape{1, 2, 3});
  CHECK(reshape(constant(zeros<float>({0, 2})), {5, -1}).shape() == Shape{5, 0});
  CHECK(error_of([&] {
          reshape(constant(zeros<float>({0, 2})), {0, -1});
        }).find("do not fill (0, -1)") != std::string::npos);
  CHECK(error_of([&] {
          reshape(x, {-1, -1});
        }) == "invalid_argument: reshape: extents are >= 0, or -1 once for what is left; got -1");
  CHECK(error_of([&] {
          transpose(x, {0, 0});
        }) == "invalid_argument: transpose: axis 0 is named twice for shape (2, 3)");
  CHECK(error_of([&] { transpose(x, {0}); }) ==
        "invalid_argument: transpose: got 1 axes for shape (2, 3)");
  CHECK(error_of([&] { slice(x, 1, 2, 5); }) ==
        "invalid_argument: slice: 2 .. 5 is no range along axis 1 of shape (2, 3); need begin <= "
        "end, "
        "both within 0 .. 3 (negative: from the end)");
  CHECK(error_of([&] {
          concat(Vars<float>{x, constant(zeros<float>({3, 3}))}, 1);
        }) ==
        "invalid_argument: concat: part 1 is (3, 3), part 0 is (2, 3); only axis 1 may differ");
  CHECK(error_of([&] { concat(Vars<float>{}); }) ==
        "invalid_argument: concat: need at least one part");
  CHECK(error_of([&] {
          stack(Vars<float>{x, constant(zeros<float>({3}))});
        }) == "invalid_argument: stack: part 1 is (3), part 0 is (2, 3); need equal shapes");
  CHECK(error_of([&] {
          take(x, Indices{0, 2});
        }) ==
        "invalid_argument: take: index 2 at position 1 is out of range for shape (2, 3); need 0 <= "
        "index < 2");
  CHECK(error_of([&] { take(x, Indices{-1}); }).find("take: index -1") != std::string::npos);
  CHECK(error_of([&] {
          take_along_axis(x, Indices{0, 1, 2});
        }) ==
        "invalid_argument: take_along_axis: x is (2, 3), indices are (3); only axis -1 may differ");
  CHECK(
      error_of([&] {
        broadcast_to(x, Shape{2, 4});
      }) ==
      "invalid_argument: broadcast_to: shape (2, 3) does not broadcast to (2, 4); counted from the "
      "last axis, extents must be equal or 1");
  CHECK(error_of([&] { one_hot<float>(Indices{3}, 3); }) ==
        "invalid_argument: one_hot: index 3 at position 0 is out of range for shape (1); need 0 <= "
        "index < 3");
}
