// The reference values in tests/golden/, and JSON arrays as Arrays.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/array.hpp"

namespace tapesort::testing {

// The file's content; its cases are under "cases".
inline nlohmann::json golden(const std::string& file) {
  std::ifstream in(std::string(TAPESORT_GOLDEN) + "/" + file);
  REQUIRE_MESSAGE(in.good(), "cannot open golden/" << file);
  return nlohmann::json::parse(in);
}

// Nested lists of numbers, all of one length at each depth.
template <class T>
Array<T> to_array(const nlohmann::json& nested) {
  Shape shape;
  for (const nlohmann::json* level = &nested; level->is_array(); level = &level->front()) {
    shape.push_back(level->size());
    if (level->empty()) break;
  }
  Array<T> array = uninitialized<T>(shape);
  T* next = array.data();
  const auto flatten = [&](const auto& self, const nlohmann::json& level) -> void {
    if (!level.is_array()) {
      *next++ = level.get<T>();
    } else {
      for (const nlohmann::json& inner : level) self(self, inner);
    }
  };
  flatten(flatten, nested);
  REQUIRE(next == array.data() + array.size());
  return array;
}

}  // namespace tapesort::testing
