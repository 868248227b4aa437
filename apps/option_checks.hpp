// What an option's value must be, for CLI11's check().
#pragma once

#include <CLI/CLI.hpp>
#include <cmath>

namespace tapesort {

// CLI11 has checks of this meaning too, but lets NaN through, and tells the largest double in 309
// digits when a value is refused.
inline CLI::Validator number_check(const char* name, bool (*fits)(double), const char* expected) {
  return CLI::Validator(
      [=](const std::string& text) {
        double value = 0;
        const bool right = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
        return right && fits(value) ? std::string()
                                    : std::string("need ") + expected + ", got " + text;
      },
      name);
}

inline const CLI::Validator positive = number_check(
    "POSITIVE", [](double v) { return v > 0; }, "a number > 0");
inline const CLI::Validator nonnegative = number_check(
    "NONNEGATIVE", [](double v) { return v >= 0; }, "a number >= 0");
// Written the one way that a number can be compared by as a text.
inline const CLI::Validator whole_number(
    [](const std::string& text) {
      const bool digits =
          !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
      return digits && text[0] != '0' ? std::string() : "need a whole number > 0, got " + text;
    },
    "WHOLE");

}  // namespace tapesort
