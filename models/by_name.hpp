// Tables whose entries have names: networks, sorting methods, kNN methods.
#pragma once

#include <string>

#include "engine/check.hpp"

namespace tapesort {

// The entry whose `name` that is. std::invalid_argument, with the names that there are, when none
// is: "op: there is no kind "name"; there are ..".
template <class Entries>
const auto& by_name(const Entries& entries, const std::string& name, const char* op,
                    const char* kind) {
  std::string known;
  for (const auto& entry : entries) {
    if (name == entry.name) return entry;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  bad_argument(op, ": there is no ", kind, " \"", name, "\"; there are ", known);
}

}  // namespace tapesort
