// The answers of page.hpp, as objects.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "apps/estimators/spread.hpp"
#include "apps/estimators/study.hpp"

namespace tapesort {

using Json = nlohmann::json;

// Nested as the array's axes are.
template <class T> Json to_json(const Array<T>& x, std::size_t axis = 0, std::size_t start = 0) {
  if (axis == x.dimension()) return x.data()[start];
  std::size_t step = 1;
  for (std::size_t i = axis + 1; i < x.dimension(); ++i) step *= x.shape()[i];
  Json list = Json::array();
  for (std::size_t i = 0; i < x.shape()[axis]; ++i) {
    list.push_back(to_json(x, axis + 1, start + i * step));
  }
  return list;
}

// A list of numbers (n).
template <class T> Array<T> to_array(const Json& list) {
  const auto numbers = list.get<std::vector<T>>();
  Array<T> array = uninitialized<T>({numbers.size()});
  std::copy(numbers.begin(), numbers.end(), array.data());
  return array;
}

Json relaxed(const Json& question);
Json million(const Json& question);

Json race(const Json& question);
Json orders(const Json& question);

// Estimates of one gradient by every estimator, as many as one wants to wait for.
class Study {
 public:
  explicit Study(const Json& question);
  // So many more of each, and what they come to. Those that warm up first do that.
  Json more(std::size_t estimates);

 private:
  struct Contender {
    Estimator estimator;
    Generator random;
    std::size_t warm_up;  // estimates before the first that counts
    std::size_t estimates;
    Spread spread;
  };
  StudySettings settings_;
  Array<double> scores_, truth_;
  std::vector<Contender> contenders_;
};

// A small training, of as many steps as one wants to wait for.
class Training {
 public:
  virtual ~Training() = default;
  virtual double step() = 0;       // the loss
  virtual Json state() const = 0;  // what there is to see
};
std::unique_ptr<Training> make_training(const Json& question);

}  // namespace tapesort
