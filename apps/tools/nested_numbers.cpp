#include "apps/tools/nested_numbers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>

#include "models/files/strict_json.hpp"

namespace tapesort {
namespace {

constexpr const char* blanks = " \t\r";
constexpr const char* white_space = " \t\r\n";
constexpr int deepest = 8;

// A place in the text, which ends with a '\0'.
class Cursor {
 public:
  Cursor(const std::string& text, const std::string& source)
      : at_(text.c_str()), end_(at_ + text.size()), counted_(at_), source_(source) {}

  bool done() const { return at_ == end_; }
  // Whether there was anything to skip.
  bool skip(const char* characters) {
    const std::size_t count = std::strspn(at_, characters);
    at_ += count;
    return count > 0;
  }
  // Whether a line, or the text, ends here, after a comment if there is one.
  bool line_ends() {
    if (*at_ == '#') at_ = std::find(at_, end_, '\n');
    return done() || *at_ == '\n';
  }
  // The next character that is no white space.
  char next() {
    skip(white_space);
    return *at_;
  }
  // Whether it is this one, which is then read.
  bool accept(char character) {
    const bool found = next() == character;
    at_ += found;
    return found;
  }
  void take(char character) {
    if (!accept(character)) expected(std::string("'") + character + "'");
  }
  // "[1, 2]": each() reads an item.
  template <class Each> void items(char open, char close, const Each& each) {
    take(open);
    if (accept(close)) return;
    do each();
    while (accept(','));
    if (!accept(close)) expected(std::string("',' or '") + close + "'");
  }

  // A node that begins here.
  Nested node() {
    for (; counted_ != at_; ++counted_) {
      column_ = *counted_ == '\n' ? 1 : column_ + 1;
      line_ += *counted_ == '\n';
    }
    return {line_, column_, false, 0, {}};
  }

  [[noreturn]] void expected(const std::string& what) {
    const std::string found = done()         ? "the end of the input"
                              : *at_ == '\n' ? "the end of the line"
                                             : std::string("'") + *at_ + "'";
    bad_input(source_, node(), "expected ", what, ", found ", found);
  }

  Nested number() {
    Nested nested = node();
    const char* const start = at_ + (*at_ == '+' && at_[1] != '-' ? 1 : 0);
    const auto [stop, error] = std::from_chars(start, end_, nested.number);
    if (stop == start) expected("a number");
    if (error != std::errc() || !std::isfinite(nested.number)) {
      bad_input(source_, nested, "'" + std::string(at_, stop) + "' is not a finite number");
    }
    at_ = stop;
    nested.is_number = true;
    return nested;
  }

  // Numbers in brackets; `level` brackets are open.
  Nested item(int level = 0) {
    if (next() != '[' && level > 0) return number();
    if (level == deepest) expected("a number");
    Nested list = node();
    items('[', ']', [&] { list.items.push_back(item(level + 1)); });
    return list;
  }

  // A string that is nowhere else.
  std::string key(const std::map<std::string, Nested>& others) {
    if (next() != '"') expected("a key in quotation marks");
    const char* const stop = std::find(at_ + 1, end_, '"');
    const std::string name(at_ + 1, stop);
    if (others.count(name) > 0) bad_input(source_, node(), "another key '" + name + "'");
    at_ = stop;
    take('"');
    return name;
  }

  void end() {
    next();
    if (!done()) expected("nothing more");
  }

 private:
  const char *at_, *end_;
  const char* counted_;  // the place that line_ and column_ are of
  const std::string& source_;
  int line_ = 1, column_ = 1;
};

}  // namespace

Nested parse_nested(const std::string& text, const std::string& source) {
  Cursor cursor(text, source);
  Nested result = cursor.item();
  cursor.end();
  return result;
}

std::map<std::string, Nested> parse_object(const std::string& text, const std::string& source) {
  Cursor cursor(text, source);
  std::map<std::string, Nested> object;
  cursor.items('{', '}', [&] {
    const std::string key = cursor.key(object);
    cursor.take(':');
    object[key] = cursor.item();
  });
  cursor.end();
  return object;
}

Nested parse_lines(const std::string& text, const std::string& source) {
  Cursor cursor(text, source);
  Nested result = cursor.node();
  for (; !cursor.done(); cursor.skip("\n")) {
    cursor.skip(blanks);
    if (cursor.line_ends()) continue;
    Nested list = cursor.node();
    for (;;) {
      list.items.push_back(cursor.number());
      const bool apart = cursor.skip(blanks);
      if (cursor.line_ends()) break;
      if (cursor.accept(',')) {
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

Nested as_list(Nested nested, int item_depth) {
  if (depth(nested) != item_depth) return nested;
  Nested list{nested.line, nested.column, false, 0, {}};
  list.items.push_back(std::move(nested));
  return list;
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
      bad_input(source, item,
                number_wanted ? "a list where the others have a number"
                              : "a number where the others have a list");
    }
    if (item.is_number) {
      *to++ = item.number;
      return;
    }
    if (item.items.size() != shape[level]) {
      bad_input(source, item, "a list of ", item.items.size(), " where the others have ",
                shape[level]);
    }
    for (const Nested& inner : item.items) self(self, inner, level + 1);
  };
  flatten(flatten, nested, 0);
  return array;
}

Indices to_indices(const Nested& nested, const std::string& source) {
  Indices indices = uninitialized<Index>({nested.items.size()});
  Index* to = indices.data();
  for (const Nested& item : nested.items) {
    const double x = item.number;
    if (!item.is_number) bad_input(source, item, "a list is not an integer");
    if (x != std::floor(x) || std::abs(x) > 0x1p53) {
      bad_input(source, item, "'", x, "' is not an integer");
    }
    *to++ = Index(x);
  }
  return indices;
}

template <class T>
void write_json(std::ostream& out, const Array<T>& x, std::size_t axis, std::size_t start) {
  const T* const data = x.data() + start;
  if (x.dimension() == 0) {
    out << text_of(*data);
  } else if (axis + 1 == x.dimension()) {
    out << text_of(std::vector<T>(data, data + x.shape()[axis]));
  } else {
    std::size_t step = 1;
    for (std::size_t i = axis + 1; i < x.dimension(); ++i) step *= x.shape()[i];
    out << '[';
    for (std::size_t i = 0; i < x.shape()[axis]; ++i) {
      if (i > 0) out << ',';
      write_json(out, x, axis + 1, start + i * step);
    }
    out << ']';
  }
}
template void write_json(std::ostream&, const Array<float>&, std::size_t, std::size_t);
template void write_json(std::ostream&, const Array<double>&, std::size_t, std::size_t);
template void write_json(std::ostream&, const Indices&, std::size_t, std::size_t);

}  // namespace tapesort
