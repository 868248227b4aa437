// Finds a number of a training that is not finite, and the operator where that began.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/check.hpp"
#include "engine/tape.hpp"
#include "engine/trap.hpp"

namespace tapesort {

// NonFiniteError "fc1.weight holds nan" when one of x's elements is a NaN or an infinity.
template <class T> void require_finite(const std::string& name, const Array<T>& x) {
  const T* const end = x.data() + x.size();
  const T* const found = std::find_if(x.data(), end, [](T v) { return !std::isfinite(v); });
  if (found != end) throw NonFiniteError(to_message(name, " holds ", *found));
}

// ": the value of exp (..) holds a NaN or an infinity", for the first operator of which
// that is true when again() is run; nothing if it is true of none.
template <class Again> std::string first_non_finite(const Again& again) {
  const NonFiniteTrap trap;
  try {
    again();
  } catch (const NonFiniteError& error) {
    return std::string(": ") + error.what();
  } catch (const std::exception&) {  // an operator refuses what no operator computed
  }
  return "";
}

}  // namespace tapesort
