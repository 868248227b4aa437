#include "apps/data/nested_numbers.hpp"

#include <charconv>
#include <cmath>

#include "engine/check.hpp"

namespace tapesort {
namespace {

// A place in the text.
class Cursor {
 public:
  Cursor(const std::string& text, const std::string& source)
      : at_(text.data()), end_(text.data() + text.size()), source_(source) {}

  bool done() const { return at_ == end_; }
  char next() const { return done() ? '\0' : *at_; }
  void advance() {
    if (*at_++ == '\n') {
      ++line_;
      column_ = 1;
    } else {
      ++column_;
    }
  }
  // Whether there was anything to skip.
  bool skip(const char* characters) {
    const char* const start = at_;
    while (!done() && std::string(characters).find(*at_) != std::string::npos) advance();
    return at_ != start;
  }

  // A node that begins here.
  Nested node() const {
    Nested nested;
    nested.line = line_;
    nested.column = column_;
    return nested;
  }

  [[noreturn]] void expected(const std::string& what) const {
    const std::string found = done()         ? "the end of the input"
                              : *at_ == '\n' ? "the end of the line"
                                             : std::string("'") + *at_ + "'";
    bad_input(source_, line_, column_, "expected " + what + ", found " + found);
  }

  Nested number() {
    Nested nested = node();
    const auto [stop, error] = std::from_chars(at_, end_, nested.number);
    if (stop == at_) expected("a number");
    if (error != std::errc() || !std::isfinite(nested.number)) {
      bad_input(source_, line_, column_, std::string(at_, stop) + " is not a finite number");
    }
    while (at_ != stop) advance();
    nested.is_number = true;
    return nested;
  }

 private:
  const char *at_, *end_;
  const std::string& source_;
  int line_ = 1, column_ = 1;
};

constexpr const char* blanks = " \t\r";
constexpr const char* white_space = " \t\r\n";
constexpr int deepest = 8;

Nested parse_item(Cursor& cursor, int level) {
  if (cursor.next() != '[') {
    if (level == 0) cursor.expected("'['");
    return cursor.number();
  }
  if (level == deepest) cursor.expected("a number");
  Nested list = cursor.node();
  cursor.advance();
  cursor.skip(white_space);
  if (cursor.next() == ']') {
    cursor.advance();
    return list;
  }
  for (;;) {
    cursor.skip(white_space);
    list.items.push_back(parse_item(cursor, level + 1));
    cursor.skip(white_space);
    if (cursor.next() == ']') break;
    if (cursor.next() != ',') cursor.expected("',' or ']'");
    cursor.advance();
  }
  cursor.advance();
  return list;
}

}  // namespace

void bad_input(const std::string& source, int line, int column, const std::string& message) {
  bad_argument(source, ":", line, ":", column, ": ", message);
}

Nested parse_nested(const std::string& text, const std::string& source) {
  Cursor cursor(text, source);
  cursor.skip(white_space);
  Nested result = parse_item(cursor, 0);
  cursor.skip(white_space);
  if (!cursor.done()) cursor.expected("nothing more");
  return result;
}

Nested parse_lines(const std::string& text, const std::string& source) {
  Cursor cursor(text, source);
  Nested result = cursor.node();
  while (!cursor.done()) {
    cursor.skip(blanks);
    if (cursor.next() == '\n') {
      cursor.advance();
      continue;
    }
    if (cursor.done()) break;
    Nested list = cursor.node();
    for (;;) {
      list.items.push_back(cursor.number());
      const bool apart = cursor.skip(blanks);
      if (cursor.done() || cursor.next() == '\n') break;
      if (cursor.next() == ',') {
        cursor.advance();
        cursor.skip(blanks);
      } else if (!apart) {
        cursor.expected("',' or a blank");
      }
    }
    result.items.push_back(std::move(list));
  }
  return result;
}

int depth(const Nested& nested) {
  if (nested.is_number) return 0;
  return 1 + (nested.items.empty() ? 0 : depth(nested.items.front()));
}

Array<double> to_array(const Nested& nested, const std::string& source) {
  Shape shape;
  for (const Nested* level = &nested; !level->is_number; level = &level->items.front()) {
    shape.push_back(level->items.size());
    if (level->items.empty()) break;
  }
  Array<double> array = uninitialized<double>(shape);
  double* to = array.data();
  const auto flatten = [&](const auto& self, const Nested& item, std::size_t level) -> void {
    const bool number_wanted = level == shape.size();
    if (item.is_number != number_wanted) {
      bad_input(source, item.line, item.column,
                number_wanted ? "a list where the others have a number"
                              : "a number where the others have a list");
    }
    if (item.is_number) {
      *to++ = item.number;
      return;
    }
    if (item.items.size() != shape[level]) {
      bad_input(source, item.line, item.column,
                "a list of " + std::to_string(item.items.size()) + " where the others have " +
                    std::to_string(shape[level]));
    }
    for (const Nested& inner : item.items) self(self, inner, level + 1);
  };
  flatten(flatten, nested, 0);
  return array;
}

}  // namespace tapesort
