// Function templates that are declared in a header and defined in a .cpp exist for float and double.
#pragma once

// Of a function template of one type whose name is not overloaded.
#define INSTANTIATE(f)                  \
  template decltype(f<float>) f<float>; \
  template decltype(f<double>) f<double>;
