// Numbers as people read them.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <string>

namespace tapesort {

// What printf would print, up to 255 characters.
__attribute__((format(printf, 1, 2))) inline std::string printed(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

// 0.12345 -> "12.35 %".
inline std::string percent(double fraction) { return printed("%.2f %%", 100 * fraction); }

}  // namespace tapesort
