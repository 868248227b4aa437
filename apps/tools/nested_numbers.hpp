// Numbers to text, and from text with line and column of whatever is wrong with it:
//   "scores.txt:3:7: expected a number, found 'x'"
#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "engine/check.hpp"

namespace tapesort {

// A number, or a list of more of these, and where in the text it begins (counted from 1).
struct Nested {
  int line = 1, column = 1;
  bool is_number = false;
  double number = 0;
  std::vector<Nested> items;
};

// Lists of numbers as JSON writes them, nested as deep as they are. `source` names the text in
// messages. std::invalid_argument for anything else: objects, strings, infinities, text after the
// end.
Nested parse_nested(const std::string& text, const std::string& source);

// An object of such lists: {"key": [..], ..}. Keys have no escapes, and stand there once.
std::map<std::string, Nested> parse_object(const std::string& text, const std::string& source);

// One list a line, of numbers separated by a comma or blanks; lines of blanks, and what follows a
// #, are skipped.
Nested parse_lines(const std::string& text, const std::string& source);

// Lists of lists as an array; std::invalid_argument where their lengths or depths differ.
Array<double> to_array(const Nested& nested, const std::string& source);

// A list of numbers, all of them integers.
Indices to_indices(const Nested& nested, const std::string& source);

// How deep the first items are nested: 0 for a number.
int depth(const Nested& nested);

// A list of items that are `item_depth` deep. What is itself only so deep becomes the one item.
Nested as_list(Nested nested, int item_depth);

// Throws std::invalid_argument "source:line:column: parts".
template <class... Parts>
[[noreturn]] void bad_input(const std::string& source, const Nested& at, const Parts&... parts) {
  bad_argument(source, ":", at.line, ":", at.column, ": ", parts...);
}

// An array as JSON, nested as its axes are, written a row at a time: a large matrix is never in
// memory as text. NaN and infinities become null. (axis, start: a part of the array.)
template <class T>
void write_json(std::ostream& out, const Array<T>& x, std::size_t axis = 0, std::size_t start = 0);

}  // namespace tapesort
