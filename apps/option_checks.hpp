// What an option's value must be, for CLI11's check(). Every option that takes a number has one of
// these: left to itself, CLI11 reads "" as 0, 010 as 8, -1 as 2^64 - 1 and 2^64 as that as well.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>

#include "engine/check.hpp"

namespace tapesort {

// The whole text as a number from least to most (so NaN is none); the digits of whole numbers are
// decimal, and their first one is no 0, so that equal numbers are equal texts.
template <class T> CLI::Validator number_check(const char* kind, T least, T most) {
  const std::string range = to_message(least, " to ", most);
  return CLI::Validator(
      [=](const std::string& text) {
        T value{};
        const char *const begin = text.data(), *const end = begin + text.size();
        const auto [stop, error] = std::from_chars(begin, end, value);
        const bool zeros = std::is_integral_v<T> && text.size() > 1 && text[0] == '0';
        const bool fits = error == std::errc() && stop == end && value >= least && value <= most;
        if (fits && !zeros) return std::string();
        return to_message("need a ", kind, " from ", range, ", got ", text.empty() ? "''" : text);
      },
      "in [" + range + "]");
}

inline CLI::Validator whole(std::uint64_t least, std::uint64_t most) {
  return number_check("whole number", least, most);
}
inline CLI::Validator number(double least, double most) {
  return number_check("number", least, most);
}

inline const CLI::Validator any_seed = whole(0, std::numeric_limits<std::uint64_t>::max());
// How many steps, images, sets, ..: products of three of them fit into 64 bits, and memory says the
// rest.
inline const CLI::Validator a_count = whole(1, 1000000);
// How many rounds of something that takes time, not memory.
inline const CLI::Validator rounds = whole(1, 100000000);
// Trainings compute in float, whose largest number is 3e38. With these temperatures neither 1 / tau
// nor what it multiplies overflows.
inline const CLI::Validator temperature = number(1e-12, 1e12);
inline const CLI::Validator learning_rate = number(0, 1e38);

// The name of a file or a folder: an empty one is a slip, and one of several lines breaks messages
// and gnuplot's commands.
inline const CLI::Validator file_name(
    [](const std::string& text) {
      const bool fits = !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ';
      });
      return fits ? ""
                  : "need the name of a file or a folder, without line breaks, got '" + text + "'";
    },
    "");

}  // namespace tapesort
