#include "ops/matmul.hpp"

#include "engine/blas.hpp"
#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "engine/instantiate.hpp"
#include "engine/parallel.hpp"
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

// c = a b, or a^T b, with b (k, n); or that is added to c.
template <class T>
void blas_product(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, const T* a,
                  const T* b, T* c, bool add) {
  gemm<T>(transpose_a, false, m, n, k, 1, a, transpose_a ? m : k, b, n, T(add), c, n);
}

// The same. With few rows, or a short sum, BLAS would spend its time copying operands into the order
// that it likes.
template <class T>
void product(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, const T* a, const T* b,
             T* c, bool add) {
  constexpr std::size_t lanes = Lanes<T>::size, few = 64;
  constexpr std::size_t work = 1 << 20;  // multiply-adds that are worth a thread
  if (std::min(m, k) > few || n % lanes != 0) {
    return blas_product(transpose_a, m, n, k, a, b, c, add);
  }
  const std::size_t row = transpose_a ? 1 : k, step = transpose_a ? m : 1;
  const auto tiles = [=](const T* a, const T* b, std::size_t rows, std::size_t columns, T* c) {
    const Terms<T> terms{{a, step, 0, row}, {b, n, 0}, k, 1};
    sum_terms(terms, rows, columns, add ? c : nullptr, n, c, n);
  };
  if (m >= n) {
    parallel_for(m, 1 + work / (n * k + 1), [&](std::size_t begin, std::size_t end, std::size_t) {
      tiles(a + begin * row, b, end - begin, n, c + begin * n);
    });
  } else {
    const std::size_t strips = n / lanes;
    parallel_for(strips, 1 + work / (m * k * lanes + 1),
                 [&](std::size_t begin, std::size_t end, std::size_t) {
                   tiles(a, b + begin * lanes, m, (end - begin) * lanes, c + begin * lanes);
                 });
  }
}

void product(bool transpose_a, std::size_t m, std::size_t n, std::size_t k, const Dual<double>* a,
             const Dual<double>* b, Dual<double>* c, bool add) {
  blas_product(transpose_a, m, n, k, a, b, c, add);
}

}  // namespace

// Where an operand was stretched over the front axes, several products add into one cotangent.
template <class T> Var<T> matmul(const Var<T>& a, const Var<T>& b) {
  const Products p(a.shape(), b.shape());
  Array<T> value = uninitialized<T>(p.result, "matmul");
  for (std::size_t i = 0; i < p.count; ++i) {
    product(false, p.m, p.n, p.k, a.value().data() + p.a_start[i], b.value().data() + p.b_start[i],
            value.data() + i * p.m * p.n, /*add=*/false);
  }
  return record("matmul", {a, b}, std::move(value), [p](Node<T>& c) {
    const Var<T>&a = c.input(0), &b = c.input(1);
    const T* cbar = c.cotangent().data();
    const bool add = p.count != 1;  // a single product does not need zeros to add to
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

INSTANTIATE_TWICE(matmul)

}  // namespace tapesort
