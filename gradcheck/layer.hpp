// Gradient checks of layers: with respect to the input, and to every parameter, by its name.
//
//     Linear<double> fc("fc", 3, 2, Init::fan_in, random);
//     std::cout << gradcheck(fc, {random.normal<double>({5, 3})}).text();
//
// prints
//
//     input 0 (5, 3): right, ..
//     input fc.weight (3, 2): right, ..
//     input fc.bias (2): right, ..
#pragma once

#include "gradcheck/vars.hpp"
#include "models/layers.hpp"

namespace tapesort {

// In training (dropout from the same seed each time), or as in an evaluation. The layer's buffers
// may change, as in training.
template <class T>
GradcheckReport gradcheck(Layer<T>& layer, const std::vector<Array<std::common_type_t<T>>>& inputs,
                          const GradcheckOptions& options = {}, bool training = true) {
  const auto f = [&](Tape<T>& tape, const Var<T>& x) {
    Generator random(options.seed);
    return layer.forward({tape, training, &random}, x);
  };
  return gradcheck<T>(f, inputs, options, layer.state().parameters);
}

}  // namespace tapesort
