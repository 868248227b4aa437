#include "apps/page/program.hpp"

#include <cctype>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "engine/check.hpp"
#include "ops/elementwise.hpp"
#include "ops/losses.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/shape.hpp"
#include "ops/softmax.hpp"
#include "ops/sorting/relaxation.hpp"

namespace tapesort {
namespace {

using V = Var<double>;
using Arguments = std::vector<V>;

// --- Functions

double number_in(const V& x, const char* what) {
  require(x.size() == 1, what, " must be one number, got shape ", x.shape());
  return x.value().data()[0];
}

Index integer(double number, const char* what) {
  require(std::abs(number) < 1e6 && number == double(Index(number)), what,
          " must be an integer, got ", number);
  return Index(number);
}
Index integer_in(const V& x, const char* what) { return integer(number_in(x, what), what); }
int axis_in(const V& x) { return int(integer_in(x, "axis")); }

// A shape, or axes.
template <class Integers> Integers integers_in(const V& x) {
  Integers integers;
  for (double number : x.value())
    integers.push_back(typename Integers::value_type(integer(number, "an axis")));
  return integers;
}

struct Function {
  const char* signature;     // begins with its name
  std::size_t fewest, most;  // arguments
  V (*call)(const Arguments& x);
};

V relaxed(const Arguments& x, Method method,
          V (Relaxation::*what)(const V&, const OptionalMask&) const) {
  Relaxation r;
  r.method = method;
  r.tau = number_in(x[1], "tau");
  return (r.*what)(x[0], {});
}

#define FUNCTION(signature, fewest, most, ...)                                   \
  Function {                                                                     \
    signature, fewest, most, [](const Arguments& x) -> V { return __VA_ARGS__; } \
  }
#define UNARY(f) FUNCTION(#f "(x)", 1, 1, f(x[0]))
#define BINARY(f) FUNCTION(#f "(a, b)", 2, 2, f(x[0], x[1]))
// Over all axes, or over those of a second argument, which axes(..) reads.
#define REDUCTION(f, axes) \
  FUNCTION(#f "(x), " #f "(x, axis)", 1, 2, x.size() == 1 ? f(x[0]) : f(x[0], axes(x[1])))
#define RELAXATION(name, method, what) \
  FUNCTION(#name "(s, tau)", 2, 2, relaxed(x, Method::method, &Relaxation::what<double>))

const std::map<std::string, Function>& functions() {
  static const Function all[] = {
      UNARY(exp),
      UNARY(log),
      UNARY(sqrt),
      UNARY(square),
      UNARY(abs),
      UNARY(relu),
      UNARY(tanh),
      UNARY(sigmoid),
      UNARY(softplus),
      UNARY(softmax),
      UNARY(log_softmax),
      UNARY(transpose),
      UNARY(stop_gradient),
      BINARY(maximum),
      BINARY(minimum),
      BINARY(pow),
      BINARY(matmul),
      BINARY(mse),
      REDUCTION(sum, integers_in<Axes>),
      REDUCTION(mean, integers_in<Axes>),
      REDUCTION(var, integers_in<Axes>),
      REDUCTION(max, axis_in),
      REDUCTION(min, axis_in),
      REDUCTION(logsumexp, axis_in),
      FUNCTION("constant([..])", 1, 1, constant(x[0].value())),
      FUNCTION("cumsum(x, axis)", 2, 2, cumsum(x[0], axis_in(x[1]))),
      FUNCTION("clip(x, low, high)", 3, 3,
               clip(x[0], number_in(x[1], "low"), number_in(x[2], "high"))),
      FUNCTION("reshape(x, [m, n])", 2, 2, reshape(x[0], integers_in<std::vector<Index>>(x[1]))),
      FUNCTION("slice(x, axis, begin, end)", 4, 4,
               slice(x[0], axis_in(x[1]), integer_in(x[2], "begin"), integer_in(x[3], "end"))),
      RELAXATION(neural_sort, neural_sort, matrix),
      RELAXATION(neural_sort_values, neural_sort, sorted),
      RELAXATION(neural_sort_ranks, neural_sort, ranks),
      RELAXATION(soft_sort, soft_sort, matrix),
      RELAXATION(lap_sum, lap_sum, matrix),
      RELAXATION(fast_soft_sort, fast_soft_sort, sorted),
      RELAXATION(fast_soft_rank, fast_soft_rank, ranks),
      RELAXATION(sinkhorn, sinkhorn, matrix),
  };
  static const auto by_name = [] {
    std::map<std::string, Function> functions;
    for (const Function& f : all)
      functions.emplace(std::string(f.signature, std::strchr(f.signature, '(')), f);
    return functions;
  }();
  return by_name;
}
#undef RELAXATION
#undef REDUCTION
#undef BINARY
#undef UNARY
#undef FUNCTION

// --- The parser: one function for each rule of the grammar, which computes as it reads.

class Parser {
 public:
  Parser(const std::string& text, Tape<double>& tape) : text_(text), tape_(tape) {}

  Evaluated program() {
    require(text_.size() <= most_text, "a program has at most ", most_text, " characters");
    while (skip_space(), at_ < text_.size()) {
      statement();
      skip_space();
      if (at_ < text_.size() && !accept(';'))
        fail(at_, "expected ; or an operator, found ", found());
    }
    if (evaluated_.result.node() == nullptr) fail(at_, "expected a statement, as a = 2; a * a");
    if (!evaluated_.result.needs_grad()) {
      fail(last_statement_, "the result depends on no leaf, so there is nothing to differentiate; ",
           "give a number a name first, as in a = 2; a * a");
    }
    return std::move(evaluated_);
  }

 private:
  static constexpr std::size_t most_text = 10000, deepest = 100;

  template <class... Parts> [[noreturn]] void fail(std::size_t at, const Parts&... parts) const {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i < at; ++i) {
      text_[i] == '\n' ? (++line, column = 1) : ++column;
    }
    bad_argument("line ", line, ", column ", column, ": ", parts...);
  }
  std::string found() const {
    return at_ < text_.size() ? std::string("'") + text_[at_] + "'" : "the end";
  }

  // --- Tokens

  void skip_space() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
        if (at_ == text_.size()) return;
      }
      if (!std::isspace(static_cast<unsigned char>(text_[at_]))) return;
    }
  }
  bool next_is(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool accept(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(at_, "expected ", c, ", found ", found());
  }
  static bool begins_name(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
  }
  bool next_is_name() { return skip_space(), at_ < text_.size() && begins_name(text_[at_]); }
  std::string name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (begins_name(text_[at_]) || std::isdigit(static_cast<unsigned char>(text_[at_])))) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }
  bool next_is_number() {
    skip_space();
    const auto digit = [&](std::size_t i) {
      return i < text_.size() && std::isdigit(static_cast<unsigned char>(text_[i]));
    };
    return digit(at_) || (next_is('.') && digit(at_ + 1));
  }
  double number() {
    char* end = nullptr;
    const double value = std::strtod(text_.c_str() + at_, &end);
    at_ = std::size_t(end - text_.c_str());
    return value;
  }

  // --- Numbers and arrays of them

  void elements(std::vector<double>& data, Shape& shape, std::size_t axis) {
    if (!accept('[')) {
      const std::size_t begin = at_;
      const bool negative = accept('-');
      if (!next_is_number()) fail(at_, "expected a number, found ", found());
      if (axis != shape.size()) fail(begin, "expected a list, as its neighbours are");
      data.push_back(negative ? -number() : number());
      return;
    }
    const std::size_t begin = at_ - 1;
    if (axis >= 8) fail(begin, "arrays have at most 8 axes");
    if (axis == shape.size()) {
      if (!data.empty()) fail(begin, "expected a number, as its neighbours are");
      shape.push_back(0);
    }
    std::size_t extent = 0;
    do {
      elements(data, shape, axis + 1);
      ++extent;
    } while (accept(','));
    if (!accept(']')) fail(at_, "expected , or ], found ", found());
    if (shape[axis] == 0) shape[axis] = extent;
    if (shape[axis] != extent) {
      fail(begin, "a list of ", extent, ", but its neighbours have ", shape[axis]);
    }
  }

  // A number or an array, or nothing where something else stands.
  std::optional<Array<double>> literal() {
    if (next_is_number()) return scalar(number());
    if (!next_is('[')) return {};
    std::vector<double> data;
    Shape shape;
    elements(data, shape, 0);
    Array<double> array = uninitialized<double>(shape);
    std::copy(data.begin(), data.end(), array.data());
    return array;
  }

  // --- Expressions

  // What operators throw gets the place where they stand.
  template <class F> V at(std::size_t place, const F& f) const {
    try {
      return f();
    } catch (const std::invalid_argument& error) {
      fail(place, error.what());
    }
  }

  void statement() {
    last_statement_ = at_;
    std::string label;
    if (next_is_name()) {
      const std::size_t begin = at_;
      label = name();
      if (!accept('=')) at_ = begin, label.clear();
    }
    const std::size_t begin = (skip_space(), at_);
    if (!label.empty()) {
      // A number or an array alone: until the statement's end.
      const bool negative = accept('-');
      if (std::optional<Array<double>> value = literal()) {
        if (next_is(';') || at_ == text_.size()) {
          if (negative) *value = -*value;
          return finish(std::move(label), tape_.leaf(std::move(*value)));
        }
      }
      at_ = begin;
    }
    finish(std::move(label), expression());
  }
  void finish(std::string label, V value) {
    if (!label.empty()) evaluated_.names.emplace_back(value, std::move(label));
    evaluated_.result = std::move(value);
  }

  // f(), one level deeper; `what` with its verb: "signs are".
  template <class F> V deeper(const char* what, const F& f) {
    if (++depth_ > deepest) fail(at_, what, " nested more than ", deepest, " deep");
    V value = f();
    --depth_;
    return value;
  }
  // Operands with some of these signs between them, computed from left to right.
  V left_to_right(std::string_view signs, V (Parser::*operand)()) {
    V left = (this->*operand)();
    for (;;) {
      skip_space();
      const std::size_t place = at_;
      if (at_ == text_.size() || signs.find(text_[at_]) == signs.npos) return left;
      const char sign = text_[at_++];
      const V right = (this->*operand)();
      left = at(place, [&] {
        return sign == '+'   ? left + right
               : sign == '-' ? left - right
               : sign == '*' ? left * right
               : sign == '/' ? left / right
                             : matmul(left, right);
      });
    }
  }
  V expression() {
    return deeper("parentheses are", [&] { return left_to_right("+-", &Parser::product); });
  }
  V product() { return left_to_right("*/@", &Parser::factor); }
  V factor() {
    if (accept('-')) return -deeper("signs are", [&] { return factor(); });
    const V base = primary();
    skip_space();
    const std::size_t place = at_;
    if (!accept('^')) return base;
    const V exponent = deeper("powers are", [&] { return factor(); });  // a ^ b ^ c is a ^ (b ^ c)
    return at(place, [&] { return pow(base, exponent); });
  }
  V primary() {
    if (accept('(')) {
      V inner = expression();
      expect(')');
      return inner;
    }
    if (std::optional<Array<double>> value = literal()) return constant(std::move(*value));
    if (!next_is_name()) fail(at_, "expected a number, an array, a name or (, found ", found());
    const std::size_t begin = at_;
    const std::string label = name();
    if (accept('(')) return call(label, begin);
    for (auto known = evaluated_.names.rbegin(); known != evaluated_.names.rend(); ++known) {
      if (known->second == label) return known->first;
    }
    const bool function = functions().count(label) > 0;
    fail(begin, function ? "the function " : "there is no name ", label,
         function ? " needs its arguments in parentheses" : " yet; write it first, as ",
         function ? "" : label + " = 2;");
  }
  V call(const std::string& label, std::size_t place) {
    Arguments arguments;
    if (!accept(')')) {
      do {
        arguments.push_back(expression());
      } while (accept(','));
      if (!accept(')')) fail(at_, "expected , or ), found ", found());
    }
    const auto function = functions().find(label);
    if (function == functions().end()) fail(place, "there is no function ", label);
    const Function& f = function->second;
    if (arguments.size() < f.fewest || arguments.size() > f.most) {
      fail(place, "expected ", f.signature, ", found ", arguments.size(), " arguments");
    }
    return at(place, [&] { return f.call(arguments); });
  }

  const std::string& text_;
  Tape<double>& tape_;
  std::size_t at_ = 0, depth_ = 0, last_statement_ = 0;
  Evaluated evaluated_;
};

}  // namespace

Evaluated evaluate(const std::string& program, Tape<double>& tape) {
  return Parser(program, tape).program();
}

std::vector<std::string> function_signatures() {
  std::vector<std::string> signatures;
  for (const auto& [name, function] : functions()) signatures.push_back(function.signature);
  return signatures;
}

}  // namespace tapesort
