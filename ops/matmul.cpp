#include "ops/matmul.hpp"

#include "engine/blas.hpp"
#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "engine/parallel.hpp"
#include "ops/lanes.hpp"
#include "ops/tile.hpp"

namespace tapesort {
namespace {

// How the products of one matmul are laid out: `count` of them, (m, k) by (k, n) each.
struct Products {
  std::size_t m, k, n, count;
  Shape front;  // the broadcast axes in front
  Shape result;
  std::vector<std::size_t> a_start, b_start;  // first element of each product's operands

  Products(const Shape& a, const Shape& b) {
    require(!a.empty() && !b.empty(), "matmul: a is ", a, ", b is ", b,
            "; need at least one axis each (a product with a number is a * b)");
    m = a.size() > 1 ? a[a.size() - 2] : 1;
    k = a.back();
    n = b.size() > 1 ? b.back() : 1;
    const std::size_t b_rows = b.size() > 1 ? b[b.size() - 2] : b[0];
    require(k == b_rows, "matmul: inner dimensions differ: a is ", a, ", b is ", b,
            "; need a.shape[", a.size() - 1, "] == b.shape[", b.size() > 1 ? b.size() - 2 : 0, "]");
    const Shape a_front = front_of(a), b_front = front_of(b);
    front = broadcast_shape("matmul", a_front, b_front);
    // One matrix b for all of a's: their rows are the rows of a single tall matrix.
    if (b.size() <= 2 && a.size() > 2) {
      m *= element_count(a_front);
      a_start = b_start = {0};
    } else {
      a_start = starts(a_front, m * k);
      b_start = starts(b_front, k * n);
    }
    count = a_start.size();
    result = front;
    if (a.size() > 1) result.push_back(a[a.size() - 2]);
    if (b.size() > 1) result.push_back(n);
  }

 private:
  static Shape front_of(const Shape& shape) {
    return shape.size() > 2 ? Shape(shape.begin(), shape.end() - 2) : Shape();
  }
  // For each of the broadcast products, where this operand's matrix begins.
  std::vector<std::size_t> starts(const Shape& own, std::size_t matrix_size) const {
    std::vector<std::size_t> result(element_count(front));
    for (std::size_t i = 0; i < result.size(); ++i) {
      std::size_t rest = i, at = 0, stride = 1;
      for (std::size_t back = 1; back <= own.size(); ++back) {
        const std::size_t extent = front[front.size() - back];
        if (own[own.size() - back] != 1) at += rest % extent * stride;
        stride *= own[own.size() - back];
        rest /= extent;
      }
      result[i] = at * matrix_size;
    }
    return result;
  }
};

// c = a b, or a^T b, with b (k, n); or that is added to c. With few rows, or a short sum, BLAS
// would spend its time copying operands into the order that it likes.
template <class T>
void product(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, const T* a, const T* b,
             T* c, bool add) {
  constexpr std::size_t lanes = Lanes<T>::size, few = 64;
  constexpr std::size_t work = 1 << 18;  // multiply-adds that are worth a thread
  if (std::min(m, k) > few || n % lanes != 0) {
    gemm<T>(transpose_a, false, m, n, k, 1, a, transpose_a ? m : k, b, n, T(add), c, n);
    return;
  }
  const std::size_t row = transpose_a ? 1 : k, step = transpose_a ? m : 1;
  if (m >= n) {
    parallel_for(m, 1 + work / (n * k + 1), [&](std::size_t begin, std::size_t end, std::size_t) {
      multiply_tiles(a + begin * row, row, step, b, n, end - begin, k, n, c + begin * n, n, add);
    });
  } else {
    const std::size_t strips = n / lanes;
    parallel_for(strips, 1 + work / (m * k * lanes + 1),
                 [&](std::size_t begin, std::size_t end, std::size_t) {
                   multiply_tiles(a, row, step, b + begin * lanes, n, m, k, (end - begin) * lanes,
                                  c + begin * lanes, n, add);
                 });
  }
}

}  // namespace

// Where an operand was stretched over the front axes, several products add into one cotangent.
template <class T>
Var<T> matmul(const Var<T>& a, const Var<T>& b) {
  const Products p(a.shape(), b.shape());
  Array<T> value = uninitialized<T>(p.result);
  for (std::size_t i = 0; i < p.count; ++i) {
    product(false, p.m, p.n, p.k, a.value().data() + p.a_start[i], b.value().data() + p.b_start[i],
            value.data() + i * p.m * p.n, /*add=*/false);
  }
  return record("matmul", {a, b}, std::move(value), [p](Node<T>& c) {
    const Var<T>&a = c.input(0), &b = c.input(1);
    const T* cbar = c.cotangent().data();
    const bool add = p.count > 1;  // a single product does not need zeros to add to
    const auto start = [&](const Shape& shape) {
      return add ? zeros<T>(shape) : uninitialized<T>(shape);
    };
    if (a.needs_grad()) {
      Array<T> abar = start(a.shape());
      for (std::size_t i = 0; i < p.count; ++i) {  // (m, n) (k, n)^T -> (m, k)
        gemm<T>(false, true, p.m, p.k, p.n, 1, cbar + i * p.m * p.n, p.n,
                b.value().data() + p.b_start[i], p.n, T(add), abar.data() + p.a_start[i], p.k);
      }
      accumulate(a, std::move(abar));
    }
    if (b.needs_grad()) {
      Array<T> bbar = start(b.shape());
      for (std::size_t i = 0; i < p.count; ++i) {  // (m, k)^T (m, n) -> (k, n)
        product(true, p.k, p.n, p.m, a.value().data() + p.a_start[i], cbar + i * p.m * p.n,
                bbar.data() + p.b_start[i], add);
      }
      accumulate(b, std::move(bbar));
    }
  });
}

namespace {

template <class T>
Array<T> minus_row(const Array<T>& x, const std::vector<T>& row) {
  Array<T> y = uninitialized<T>(x.shape());
  for (std::size_t i = 0; i < x.size(); i += row.size()) {
    for (std::size_t j = 0; j < row.size(); ++j) y.data()[i + j] = x.data()[i + j] - row[j];
  }
  return y;
}

template <class T>
std::vector<T> squared_norms(const Array<T>& x) {
  const std::size_t d = x.shape()[1];
  std::vector<T> norms(x.shape()[0], T(0));
  for (std::size_t i = 0; i < norms.size(); ++i) {
    for (std::size_t j = 0; j < d; ++j) norms[i] += x.data()[i * d + j] * x.data()[i * d + j];
  }
  return norms;
}

}  // namespace

template <class T>
Var<T> squared_distances(const Var<T>& queries, const Var<T>& candidates) {
  require(queries.dimension() == 2 && candidates.dimension() == 2 &&
              queries.shape()[1] == candidates.shape()[1],
          "squared_distances: queries are ", queries.shape(), ", candidates are ",
          candidates.shape(), "; need (q, d) and (c, d)");
  const std::size_t q = queries.shape()[0], c = candidates.shape()[0], d = queries.shape()[1];
  std::vector<T> mean(d, T(0));
  for (std::size_t i = 0; i < c * d; ++i) mean[i % d] += candidates.value().data()[i] / T(c);
  const Array<T> x = minus_row(queries.value(), mean), z = minus_row(candidates.value(), mean);
  const std::vector<T> x_norms = squared_norms(x), z_norms = squared_norms(z);

  Array<T> value = uninitialized<T>({q, c});
  gemm<T>(false, true, q, c, d, -2, x.data(), d, z.data(), d, 0, value.data(), c);
  for (std::size_t i = 0; i < q; ++i) {
    for (std::size_t j = 0; j < c; ++j) {
      T& y = value.data()[i * c + j];
      y = std::max(T(0), y + x_norms[i] + z_norms[j]);
    }
  }
  return record("squared_distances", {queries, candidates}, std::move(value),
                [q, c, d](Node<T>& y) {
                  const T* ybar = y.cotangent().data();
                  std::vector<T> row_sums(q, T(0)), column_sums(c, T(0));
                  for (std::size_t i = 0; i < q; ++i) {
                    for (std::size_t j = 0; j < c; ++j) {
                      row_sums[i] += ybar[i * c + j];
                      column_sums[j] += ybar[i * c + j];
                    }
                  }
                  // 2 diag(sums) own - 2 ybar other
                  const auto pull = [&](const Var<T>& own, const Var<T>& other,
                                        const std::vector<T>& sums, bool transposed) {
                    if (!own.needs_grad()) return;
                    Array<T> bar = uninitialized<T>(own.shape());
                    for (std::size_t i = 0; i < bar.size(); ++i)
                      bar.data()[i] = sums[i / d] * own.value().data()[i];
                    gemm<T>(transposed, false, sums.size(), d, other.shape()[0], -2, ybar, c,
                            other.value().data(), d, 2, bar.data(), d);
                    accumulate(own, std::move(bar));
                  };
                  pull(y.input(0), y.input(1), row_sums, false);
                  pull(y.input(1), y.input(0), column_sums, true);
                });
}

#define INSTANTIATE(T)                                  \
  template Var<T> matmul(const Var<T>&, const Var<T>&); \
  template Var<T> squared_distances(const Var<T>&, const Var<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace tapesort
