// tapesort's program with a sorting method, a kNN loss and a cost of one's own. After an installation
// with the program:
//
//     c++ -std=c++17 -O2 program.cpp $(pkg-config --cflags --libs tapesort_program) -o mine
//     ./mine sort --method squares                  # and in tables: ./mine table sort --methods squares,neural_sort
//     ./mine knn --method neighbourhood
//     ./mine estimators --cost displacement
#include <tapesort_program.hpp>

using namespace tapesort;

namespace {

// Row i of P_hat: softmax_j(-(s_[i] - s_j)^2 / tau), s_[i] the i-th largest score.
class Squares : public SortingMethod {
 public:
  explicit Squares(double tau) : tau_(float(tau)) {}

  Var<float> logits(const Pass<float>&, const Var<float>& x) override {
    const Var<float> s = scores(x);  // (sets, n)
    const Index sets = Index(s.shape()[0]), n = Index(s.shape()[1]);
    const Var<float> sorted = take_along_axis(s, argsort(s.value()));
    return square(reshape(sorted, {sets, n, 1}) - reshape(s, {sets, 1, n})) / -tau_;
  }

 private:
  float tau_;
};

// Minus the probability that a neighbour drawn by softmax(scores / tau) is of the query's class.
// Source: Goldberger, Roweis, Hinton, Salakhutdinov 2004.
Var<float> neighbourhood(const Var<float>& scores, const Array<float>& same,
                         const NeighbourLoss& how) {
  return -sum(softmax(scores / float(how.tau)) * same, -1);
}

// How far items are from their places, summed: linear in the permutation matrix.
Cost displacement(std::size_t n, Generator&) {
  Array<double> far = uninitialized<double>({n, n});
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) far(i, j) = std::abs(double(i) - double(j));
  }
  const MatrixCost<double> of_matrices = [far](const Var<double>& P) {
    return sum(P * far, Axes{-2, -1});
  };
  return {on_orders(of_matrices), of_matrices};
}

}  // namespace

int main(int argc, char** argv) {
  sorting_methods().push_back({"squares", 1, Gives::matrix, /*linear_cost=*/false,
                               [](const MethodSettings& settings, Generator&) {
                                 return std::unique_ptr<SortingMethod>(new Squares(settings.tau));
                               }});
  neighbour_methods().push_back({"neighbourhood", neighbourhood});
  costs().push_back({"displacement", displacement});
  return run_program(argc, argv);
}
