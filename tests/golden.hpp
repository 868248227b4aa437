// The reference values in tests/golden/, and JSON arrays as Arrays.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/array.hpp"

namespace tapesort::testing {

// The file's content; its cases are under "cases". It is kept, so that a loop may run over
// golden("x.json")["cases"]: of a temporary, only the whole would live as long as the loop.
inline const nlohmann::json& golden(const std::string& file) {
  static std::map<std::string, nlohmann::json> read;
  nlohmann::json& content = read[file];
  if (content.is_null()) {
    std::ifstream in(std::string(TAPESORT_GOLDEN) + "/" + file);
    REQUIRE_MESSAGE(in.good(), "cannot open golden/" << file);
    content = nlohmann::json::parse(in);
  }
  return content;
}

// Nested lists of numbers, all of one length at each depth.
template <class T> Array<T> to_array(const nlohmann::json& nested) {
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
