// The matrices of ops/conv/README.md, section 2, as the code has them.
#include <doctest/doctest.h>

#include <vector>

#include "engine/random.hpp"
#include "ops/conv/winograd_maps.hpp"

using namespace tapesort;
using namespace tapesort::detail;

namespace {

using Maps = WinogradMaps<double>;
using Matrix = std::vector<std::vector<double>>;

// The matrix of a linear map, column by column.
template <std::size_t N, std::size_t M>
Matrix matrix_of(WinogradLine<Lanes<double>, M> (*map)(const WinogradLine<Lanes<double>, N>&)) {
  Matrix matrix(M, std::vector<double>(N));
  for (std::size_t j = 0; j < N; ++j) {
    WinogradLine<Lanes<double>, N> unit;
    for (std::size_t k = 0; k < N; ++k) unit[k] = Lanes<double>(k == j ? 1.0 : 0.0);
    const auto column = map(unit);
    for (std::size_t i = 0; i < M; ++i) matrix[i][j] = column[i].get(0);
  }
  return matrix;
}

Matrix transposed(const Matrix& a) {
  Matrix t(a[0].size(), std::vector<double>(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[0].size(); ++j) t[j][i] = a[i][j];
  }
  return t;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), std::vector<double>(b[0].size(), 0));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < b[0].size(); ++j) {
      for (std::size_t k = 0; k < b.size(); ++k) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

void check_equal(const Matrix& a, const Matrix& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[0].size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK(a[i][j] == doctest::Approx(b[i][j]).epsilon(1e-14));
    }
  }
}

Matrix random_matrix(Generator& random, std::size_t rows, std::size_t columns) {
  const Array<double> numbers = random.normal<double>({rows, columns});
  Matrix matrix(rows, std::vector<double>(columns));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    matrix[i / columns][i % columns] = numbers.data()[i];
  }
  return matrix;
}

}  // namespace

TEST_CASE("Winograd's maps are the matrices of the page") {
  const double c = 97.0 / 36;
  check_equal(matrix_of(Maps::image_sums), {{1, 0, -c, 0, 1, 0},
                                            {0, -3. / 2, -9. / 4, 2. / 3, 1, 0},
                                            {0, 3. / 2, -9. / 4, -2. / 3, 1, 0},
                                            {0, -2. / 3, -4. / 9, 3. / 2, 1, 0},
                                            {0, 2. / 3, -4. / 9, -3. / 2, 1, 0},
                                            {0, 1, 0, -c, 0, 1}});
  check_equal(matrix_of(Maps::weight_sums<3>), {{1, 0, 0},
                                                {-81. / 130, -27. / 65, -18. / 65},
                                                {-81. / 130, 27. / 65, -18. / 65},
                                                {8. / 65, 12. / 65, 18. / 65},
                                                {8. / 65, -12. / 65, 18. / 65},
                                                {0, 0, 1}});
  check_equal(matrix_of(Maps::outputs<4>), {{1, 1, 1, 1, 1, 0},
                                            {0, 2. / 3, -2. / 3, 3. / 2, -3. / 2, 0},
                                            {0, 4. / 9, 4. / 9, 9. / 4, 9. / 4, 0},
                                            {0, 8. / 27, -8. / 27, 27. / 8, -27. / 8, 1}});
  check_equal(matrix_of(Maps::weight_sums<5>),
              {{1, 0, 0, 0, 0},
               {-81. / 130, -27. / 65, -18. / 65, -12. / 65, -8. / 65},
               {-81. / 130, 27. / 65, -18. / 65, 12. / 65, -8. / 65},
               {8. / 65, 12. / 65, 18. / 65, 27. / 65, 81. / 130},
               {8. / 65, -12. / 65, 18. / 65, -27. / 65, 81. / 130},
               {0, 0, 0, 0, 1}});
  check_equal(matrix_of(Maps::outputs<2>),
              {{1, 1, 1, 1, 1, 0}, {0, 2. / 3, -2. / 3, 3. / 2, -3. / 2, 1}});
  check_equal(matrix_of(Maps::weight_sums_back<3>), transposed(matrix_of(Maps::weight_sums<3>)));
  check_equal(matrix_of(Maps::weight_sums_back<5>), transposed(matrix_of(Maps::weight_sums<5>)));
  check_equal(matrix_of(Maps::outputs_back<4>), transposed(matrix_of(Maps::outputs<4>)));
  check_equal(matrix_of(Maps::outputs_back<2>), transposed(matrix_of(Maps::outputs<2>)));
}

namespace {

// A' [(G w G') . (B' x B)] A beside the convolution of a tile, K x K weights.
template <std::size_t K> void check_tiles() {
  constexpr std::size_t M = 7 - K;
  const Matrix B_t = matrix_of(Maps::image_sums), G = matrix_of(Maps::weight_sums<K>),
               A_t = matrix_of(Maps::outputs<M>);
  Generator random(7);
  for (int tile = 0; tile < 20; ++tile) {
    const Matrix x = random_matrix(random, 6, 6), w = random_matrix(random, K, K);
    Matrix m = product(product(B_t, x), transposed(B_t));
    const Matrix v = product(product(G, w), transposed(G));
    for (std::size_t i = 0; i < 6; ++i) {
      for (std::size_t j = 0; j < 6; ++j) m[i][j] *= v[i][j];
    }
    const Matrix y = product(product(A_t, m), transposed(A_t));
    for (std::size_t i = 0; i < M; ++i) {
      for (std::size_t j = 0; j < M; ++j) {
        double direct = 0;
        for (std::size_t k = 0; k < K; ++k) {
          for (std::size_t l = 0; l < K; ++l) direct += x[i + k][j + l] * w[k][l];
        }
        CHECK(y[i][j] == doctest::Approx(direct).epsilon(1e-12).scale(10));
      }
    }
  }
}

}  // namespace

TEST_CASE("A' [(G w G') . (B' x B)] A is the convolution of a tile") {
  check_tiles<3>();
  check_tiles<5>();
}
