// NumPy's files of one array, .npy.
//
//   load_npy<T>(file)   numbers of any of NumPy's floating-point types up to 8 bytes, whole ones and truth
//                       values, as T: float, double, Index or std::uint8_t. Where T is floating-point they
//                       are rounded to it, as float64 to float; whole numbers have to fit
//   save_npy(file, x)   of type T; the file is replaced as a whole (files/replace_file.hpp)
//
// Every fault is a std::runtime_error of one line: the file, what is wrong, what was expected.
#pragma once

#include <string>

#include "engine/array.hpp"

namespace tapesort {

template <class T> Array<T> load_npy(const std::string& file);
template <class T> void save_npy(const std::string& file, const Array<T>& x);

}  // namespace tapesort
