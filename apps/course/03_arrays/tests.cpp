#include <arrays.hpp>

#include "../test_tools.hpp"

using course::check;
using course::check_near;
using course::pull;

namespace {

void check_shape(const std::string& what, Shape got, Shape right) {
  check(got == right, what + " is " + text(got) + ", but should be " + text(right) + ".");
}

// f(x, shape), which is broadcast_to or sum_to_shape.
template <class F> Array in_range(const F& f, const Array& x, Shape shape) {
  try {
    return f(x, shape);
  } catch (const std::out_of_range& error) {
    throw course::Wrong{std::string("It threw an exception: ") + error.what() +
                        ". Does a loop go too far? Where the smaller array has one row, i has to "
                        "be 0; where it has one column, j."};
  }
}
Array stretched(const Array& x, Shape shape) { return in_range(broadcast_to, x, shape); }
Array summed(const Array& y, Shape shape) { return in_range(sum_to_shape, y, shape); }

const Array x23({2, 3}, {1, 2, 3, 4, 5, 6});

}  // namespace

TASK("3.1") {
  const Array row = stretched(Array({1, 3}, {1, 2, 3}), {2, 3});
  check_shape("The shape of (1, 3) stretched to (2, 3)", row.shape, {2, 3});
  check_near("The row (1, 2, 3) stretched to (2, 3), row by row,", row.numbers, {1, 2, 3, 1, 2, 3},
             {{{1, 2, 3, 0, 0, 0}, "The row has to be repeated in every row."},
              {{1, 1, 1, 2, 2, 2}, "Rows and columns are exchanged."}});
  check_near("The column (1, 2) stretched to (2, 1), itself,",
             stretched(Array({2, 1}, {1, 2}), {2, 1}).numbers, {1, 2},
             {{{1, 1}, "i is always 0. It is to be 0 only where x has one row."}});
  check_near("The column (1, 2) stretched to (2, 3), row by row,",
             stretched(Array({2, 1}, {1, 2}), {2, 3}).numbers, {1, 1, 1, 2, 2, 2},
             {{{1, 2, 1, 2, 1, 2}, "It was read as a row. With one column, j is always 0."},
              {{1, 0, 0, 2, 0, 0}, "Loop over the result's shape, not over x's."}});
  check_near("The single number 7 stretched to (2, 2)",
             stretched(Array({1, 1}, {7}), {2, 2}).numbers, {7, 7, 7, 7},
             {{{7, 0, 0, 0}, "Loop over the result's shape, not over x's."},
              {{7, 7, 0, 0}, "One column is stretched, one row is not."},
              {{7, 0, 7, 0}, "One row is stretched, one column is not."}});
  check_near("(2, 3) stretched to (2, 3), itself,", stretched(x23, {2, 3}).numbers, x23.numbers);
}

TASK("3.2") {
  const Array row = summed(x23, {1, 3});
  check_shape("The shape of (2, 3) summed to (1, 3)", row.shape, {1, 3});
  check_near("(1, 2, 3; 4, 5, 6) summed to one row", row.numbers, {5, 7, 9},
             {{{1, 2, 3}, "That is the first row alone."},
              {{4, 5, 6}, "That is the last row alone: add, do not assign."},
              {{2.5, 3.5, 4.5},
               "That is the mean. Each use contributes in full: no division by their number."}});
  check_near(
      "(1, 2, 3; 4, 5, 6) summed to one column", summed(x23, {2, 1}).numbers, {6, 15},
      {{{5, 7},
        "These are sums of columns. The row index is to be 0 only where the result has one row."},
       {{21, 0},
        "All of it is in the first row. The row index is to be 0 only where the result has one "
        "row."}});
  check_near("(1, 2, 3; 4, 5, 6) summed to one number", summed(x23, {1, 1}).numbers, {21});
  check_near("(1, 2, 3; 4, 5, 6) brought to its own shape", summed(x23, {2, 3}).numbers,
             x23.numbers);
}

TASK("3.3") {
  Tape tape;
  const Var row = tape.leaf(Array({1, 3}));
  accumulate(row, Array({1, 3}, {1, 2, 3}));
  check_shape("The shape of the cotangent of a (1, 3) after accumulate", row.node().cotangent.shape,
              {1, 3});
  check_near("The cotangent of a (1, 3) after a contribution (1, 2, 3)",
             row.node().cotangent.numbers, {1, 2, 3},
             {{{0, 0, 0},
               "Nothing has been added to input.node().cotangent. (plus gives a new array: assign "
               "it.)"}});
  accumulate(row, x23);
  check(row.node().cotangent.shape == Shape{1, 3},
        "A (1, 3) got a contribution of (2, 3), as when it was stretched, and now its cotangent "
        "has the shape " +
            text(row.node().cotangent.shape) +
            ". It has to stay (1, 3): what arrives at both rows adds up, sum_to_shape first.");
  check_near("The cotangent of a (1, 3) after (1, 2, 3) and (1, 2, 3; 4, 5, 6)",
             row.node().cotangent.numbers, {6, 9, 12},
             {{{5, 7, 9}, "The second contribution has replaced the first."},
              {{7, 11, 15},
               "The old cotangent has been stretched and summed with it, so it counts twice. Sum "
               "the contribution alone, then add."},
              {{2, 4, 6},
               "The second row has been left out. The (1, 3) was stretched to two rows, "
               "both count: sum_to_shape first."}});
  const Var column = tape.leaf(Array({2, 1}));
  accumulate(column, x23);
  check_near(
      "The cotangent of a (2, 1) after (1, 2, 3; 4, 5, 6)", column.node().cotangent.numbers,
      {6, 15},
      {{{9, 12}, "The elements have been added in the order of the list; use sum_to_shape."}});
}

TASK("3.4") {
  Tape tape;
  const Var x = tape.leaf(x23), y = sum_rows(x);
  check(y.value().shape == Shape{1, 3},
        "sum_rows of a (2, 3) has shape " + text(y.value().shape) +
            ", but should have (1, 3): all rows are added up to one row.");
  check_near("sum_rows of (1, 2, 3; 4, 5, 6)", y.value().numbers, {5, 7, 9},
             {{{1, 2, 3}, "That is the first row alone: sum_to_shape adds, broadcast_to copies."}});
  check_near(
      "What its pullback gives x, for ybar = (1, 10, 100),",
      pull(y, Array({1, 3}, {1, 10, 100}))[0].numbers, {1, 10, 100, 1, 10, 100},
      {{{1, 1, 1, 1, 1, 1}, "It does not depend on ybar. Each element gets its column's ybar."},
       {{111, 111, 111, 111, 111, 111}, "Each element gets its own column's ybar, not the sum."},
       {{1, 10, 100, 0, 0, 0}, "The second row gets nothing, but it was summed, too."},
       {{1, 20, 300, 4, 50, 600}, "It is multiplied by x. The derivative of a sum is 1."},
       {{0, 0, 0, 0, 0, 0}, "The pullback adds nothing to the input's cotangent."}});
}

TASK("3.5") {
  const Array ybar({2, 2}, {1, 10, 100, 1000});
  const Array p({2, 2}, {1, 2, 3, 4}), q({2, 2}, {5, 6, 7, 9});
  {  // of square matrices, for which all products have the right shape
    Tape tape;
    const Var y = matmul(tape.leaf(p), tape.leaf(q));
    check_near(
        "The product of square matrices, row by row,", y.value().numbers, product(p, q).numbers,
        {{times(p, q).numbers, "That is a product element by element; product is the other."}});
    const std::vector<Array> bars = pull(y, ybar);
    check(bars.size() == 2, "A product has two inputs: record({a, b}, ..).");
    check_near("With square matrices, what the pullback gives a", bars[0].numbers,
               product(ybar, transposed(q)).numbers,
               {{{0, 0, 0, 0}, "Nothing arrives at the first factor."},
                {product(ybar, q).numbers, "b has to be transposed."},
                {product(transposed(p), ybar).numbers,
                 "That is what b gets: the two are exchanged, or the order is wrong: abar = ybar "
                 "b^T."},
                {product(y.value(), transposed(q)).numbers,
                 "y.value has been passed on where y.cotangent belongs."},
                {times(ybar, q).numbers,
                 "That is a product element by element; it takes a product of matrices."},
                {transposed(product(ybar, transposed(q))).numbers,
                 "It is the transpose of the right one."},
                {product(transposed(q), ybar).numbers, "The order is wrong: abar = ybar b^T."}});
    check_near("With square matrices, what the pullback gives b", bars[1].numbers,
               product(transposed(p), ybar).numbers,
               {{{0, 0, 0, 0}, "Nothing arrives at the second factor."},
                {product(p, ybar).numbers, "a has to be transposed."},
                {product(ybar, transposed(p)).numbers, "The order is wrong: bbar = a^T ybar."}});
  }
  const Array b32({3, 2}, {1, -1, 2, 0, 0, 3});
  Tape tape;
  const std::vector<Array> bars = pull(matmul(tape.leaf(x23), tape.leaf(b32)), ybar);
  check_near("What the pullback gives a (2, 3)", bars[0].numbers,
             product(ybar, transposed(b32)).numbers);
  check_near("What the pullback gives b (3, 2)", bars[1].numbers,
             product(transposed(x23), ybar).numbers);
}

int main(int, char** argv) { return course::run(argv[1]); }
