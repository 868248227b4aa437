// NumPy's files of one array, .npy.
//
//   load_npy<T>(file)   float32 and float64, whole numbers of 1 to 8 bytes, truth values, as T: float,
//                       double (both by rounding), Index or std::uint8_t (numbers have to fit)
//   save_npy(file, x)   of type T; the file is replaced as a whole (files/replace_file.hpp)
//
// Every fault is a std::runtime_error of one line: the file, what is wrong, what was expected; of a
// shape that no memory could hold a std::invalid_argument.
#pragma once

#include <string>

#include "engine/array.hpp"

namespace tapesort {

template <class T> Array<T> load_npy(const std::string& file);
template <class T> void save_npy(const std::string& file, const Array<T>& x);

}  // namespace tapesort
